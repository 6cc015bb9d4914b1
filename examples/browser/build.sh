#!/usr/bin/env bash
# Builds the page into a folder that any static server can serve:
#
#     examples/browser/build.sh [FOLDER]    # default: target/page
#
# It needs the standard library of wasm32-unknown-unknown (`rustup target add`), and wasm-bindgen of
# the version in Cargo.lock (`cargo install wasm-bindgen-cli --version ..`). wasm-opt of binaryen
# makes the module smaller where there is one. WASM_CARGO and WASM_BINDGEN name other programs than
# those on the path. Exit code 3 says that one is missing.
set -euo pipefail
[ -z "${1:-}" ] || asked="$(realpath -m "$1")" # before the folder changes, and without a slash at the end
root="$(cd "$(dirname "$0")/../.." && pwd)"
cd "$root"
target="${CARGO_TARGET_DIR:-$root/target}"
out="${asked:-$target/page}" # target/browser is cargo's, for the profile of that name
cargo="${WASM_CARGO:-cargo}"
bindgen="${WASM_BINDGEN:-wasm-bindgen}"
platform=wasm32-unknown-unknown

missing() {
    printf 'browser: %s\n' "$*" >&2
    exit 3
}

wanted="$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/"/, ""); print $3 }' Cargo.lock)"
command -v "$bindgen" >/dev/null || missing "no wasm-bindgen, wanted version $wanted"
got="$("$bindgen" --version | awk '{ print $2 }')"
[ "$got" = "$wanted" ] || missing "wasm-bindgen: got version $got, wanted $wanted"
# A compiler without that library refuses the smallest program.
if [ -z "${WASM_CARGO:-}" ]; then
    rustc --print target-libdir --target "$platform" 2>/dev/null | xargs -r ls >/dev/null 2>&1 ||
        missing "no standard library of $platform"
fi

RUSTFLAGS="-C target-feature=+simd128" "$cargo" build --profile browser --target "$platform" \
    --package cni-browser --lib

# A folder of somebody else is not replaced.
if [ -e "$out" ] && [ ! -e "$out/pkg/cni_browser_bg.wasm" ] && [ -n "$(ls -A "$out")" ]; then
    printf 'browser: %s: got a folder with other files, wanted a new one or a page\n' "$out" >&2
    exit 1
fi

# Made beside the folder, so that a failure leaves the old page.
mkdir -p "$(dirname "$out")"
new="$(mktemp -d "$out.XXXXXX")"
chmod 755 "$new"
trap 'rm -rf "$new"' EXIT
cp -r examples/browser/page/. "$new"
"$bindgen" --target web --no-typescript --remove-name-section --remove-producers-section --out-dir "$new/pkg" \
    "$target/$platform/browser/cni_browser.wasm"
if command -v wasm-opt >/dev/null; then
    module="$new/pkg/cni_browser_bg.wasm"
    wasm-opt -Oz --enable-simd --enable-bulk-memory --enable-nontrapping-float-to-int \
        --enable-sign-ext --enable-mutable-globals --enable-reference-types --enable-multivalue \
        "$module" -o "$module.opt"
    mv "$module.opt" "$module"
fi
for weights in weights/*/; do
    name="$(basename "$weights")"
    mkdir -p "$new/weights/$name"
    cp "$weights/state.json" "$weights/model.bpk" "$new/weights/$name"
done
# What is not of the page stays: a folder may be a clone, or have a name of its own on the web.
mkdir -p "$out"
for part in "$new"/*; do
    rm -rf "${out:?}/$(basename "$part")"
    mv "$part" "$out"
done
printf 'browser: %s; the module has %s bytes, %s compressed\n' "$out" \
    "$(wc -c <"$out/pkg/cni_browser_bg.wasm")" "$(gzip -9 -c "$out/pkg/cni_browser_bg.wasm" | wc -c)"
