#!/usr/bin/env bash
# Builds the page of examples/browser and drives it in headless Chromium:
#
#     tests/browser.sh [FOLDER]    # default: target/page
#
# The library's test of that platform runs first. Where there is no compiler for WebAssembly, no
# wasm-bindgen, no Node or no browser, it says so and passes.
# CNI_AXE names an axe.min.js (npm install axe-core), by which accessibility is checked too;
# CNI_BROWSER_PICTURES a folder for pictures of the page.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
cd "$root"
page="$(realpath -m "${1:-${CARGO_TARGET_DIR:-$root/target}/page}")"

code=0
examples/browser/build.sh "$page" || code=$?
if [ "$code" = 3 ]; then
    echo "browser: skipped"
    exit 0
elif [ "$code" != 0 ]; then
    exit "$code"
fi
size="$(gzip -9 -c "$page/pkg/cni_browser_bg.wasm" | wc -c)"
if [ "$size" -gt 1500000 ]; then
    echo "browser: the module has $size bytes compressed, wanted at most 1500000" >&2
    exit 1
fi
# The library there, under Node, where there is one.
if command -v node >/dev/null && command -v "${WASM_TEST_RUNNER:-wasm-bindgen-test-runner}" >/dev/null; then
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER="${WASM_TEST_RUNNER:-wasm-bindgen-test-runner}" \
        RUSTFLAGS="-C target-feature=+simd128" "${WASM_CARGO:-cargo}" test --profile browser \
        --target wasm32-unknown-unknown --package cni-browser --test platform
else
    echo "browser: no node or no wasm-bindgen-test-runner here"
fi
# With the features of the whole workspace, for which it is built already.
CNI_BROWSER_PAGE="$page" cargo test --workspace --test page -- --test-threads 1 --nocapture
