#!/usr/bin/env bash
# Builds the book by mdBook (cargo install mdbook --locked):
#
#     docs/book/build.sh [FOLDER]    # by default `book` in cargo's target folder
#
# The pages link to the rest of the repository by relative paths, which a code host follows and a
# folder of HTML cannot. A copy is built in which pictures come along and all other links lead to
# the code host. A link to nothing, within the book or out of it, ends the build with exit code 1.
set -euo pipefail
book="$(cd "$(dirname "$0")" && pwd)" root="$(cd "$(dirname "$0")/../.." && pwd)"
out="${1:-${CARGO_TARGET_DIR:-$root/target}/book}"
# mdBook empties the folder: one of somebody else stays as it is.
if [ -e "$out" ] && [ ! -e "$out/toc.html" ] && [ -n "$(ls -A "$out")" ]; then
    echo "book: $out: got a folder with other files, wanted a new one or a book" >&2
    exit 1
fi
mkdir -p "$out"
out="$(cd "$out" && pwd)"
stage="$(mktemp -d)"
trap 'rm -rf "$stage"' EXIT
mkdir "$stage/src"
cp "$book/book.toml" "$stage"

# Rewrites the links out of the book, and lists the paths that they lead to.
for page in "$book"/src/*.md; do
    awk -v list="$stage/paths" -v host=https://github.com/cni-burn/cni-burn -v root="$root" '
        /^```/ { code = !code }
        code { print; next }
        {
            line = ""
            while (match($0, /\]\(\.\.\/\.\.\/\.\.\/[^)]*\)/)) {
                path = substr($0, RSTART + 11, RLENGTH - 12)
                file = path
                sub(/#.*/, "", file)
                print FILENAME "\t" file >> list
                if (file ~ /\.(svg|png)$/) to = "files/" path
                else if (system("test -d \"" root "/" file "\"") == 0) to = host "/tree/main/" path
                else to = host "/blob/main/" path
                line = line substr($0, 1, RSTART - 1) "](" to ")"
                $0 = substr($0, RSTART + RLENGTH)
            }
            print line $0
        }' "$page" >"$stage/src/$(basename "$page")"
done

failed=0
while IFS=$'\t' read -r page path; do
    if [ ! -e "$root/$path" ]; then
        echo "$page: no file $path" >&2
        failed=1
    elif [[ "$path" == *.svg || "$path" == *.png ]]; then
        mkdir -p "$stage/src/files/$(dirname "$path")"
        cp "$root/$path" "$stage/src/files/$path"
    fi
done <"$stage/paths"
[ "$failed" = 0 ]

mdbook build "$stage" --dest-dir "$out"

# Every link of every page within the book has a file, and the anchor in it.
cd "$out"
grep -oE '(id|href|src)="[^"]*"' -- *.html | awk -F: '
    {
        page = $1
        split(substr($0, length(page) + 2), part, "\"")
        if (part[1] == "id=") anchor[page "#" part[2]] = 1
        else link[page "\t" part[2]] = 1
        anchor[page "#"] = 1
    }
    END {
        for (entry in link) {
            split(entry, both, "\t")
            to = both[2]
            if (to == "" || to ~ /^[a-z]+:/) continue
            if (to ~ /^#/) to = both[1] to
            at = to
            sub(/#.*/, "", at)
            if (to ~ /\.html/) {
                if (to !~ /#/) to = to "#"
                if (to in anchor) continue
            } else if (system("test -e \"" at "\"") == 0) continue
            print both[1] ": no " both[2] > "/dev/stderr"
            failed = 1
        }
        exit failed
    }'
echo "book: $out/index.html"
