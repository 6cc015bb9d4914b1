#!/usr/bin/env bash
# Builds the page of examples/browser and drives it in headless Chromium:
#
#     tests/browser.sh [FOLDER]    # default: target/browser
#
# Where there is no compiler for WebAssembly, no wasm-bindgen or no browser, it says so and passes.
# CNI_AXE names an axe.min.js (npm install axe-core), by which accessibility is checked too;
# CNI_BROWSER_PICTURES a folder for pictures of the page.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
cd "$root"
page="$(realpath -m "${1:-${CARGO_TARGET_DIR:-$root/target}/browser}")"

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
# With the features of the whole workspace, for which it is built already.
CNI_BROWSER_PAGE="$page" cargo test --workspace --test page -- --test-threads 1 --nocapture
