//! The links of the book, and its table of contents.

use super::root;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{read_dir, read_to_string};
use std::path::PathBuf;
use std::process::Command;

const CONTENTS: &str = "SUMMARY.md";

fn source() -> PathBuf {
    root().join("docs/book/src")
}

/// The pages of the book by their names, the table of contents among them.
fn pages() -> BTreeMap<String, String> {
    let files = read_dir(source()).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_string();
            assert!(name.ends_with(".md"), "docs/book/src/{name} is no page");
            (name, read_to_string(&path).unwrap())
        })
        .collect()
}

/// The lines of a page outside its blocks of code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    page.lines().filter(move |line| {
        let fence = line.starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// What a page links to: the address of each link and picture.
fn links(page: &str) -> Vec<&str> {
    prose(page)
        .flat_map(|line| line.split("](").skip(1))
        .map(|rest| rest.split_once(')').expect("a link ends in its line").0)
        .collect()
}

/// The anchors of a page's headings, as code hosts and mdBook make them.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = prose(page).filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        heading
            .trim_start_matches('#')
            .trim()
            .to_lowercase()
            .chars()
            .filter(kept)
            .collect::<String>()
            .replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_of_the_book_leads_to_something() {
    for (name, page) in pages() {
        for link in links(&page).into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = if file.is_empty() { source().join(&name) } else { source().join(file) };
            assert!(path.exists(), "{name}: no file {file}");
            if !anchor.is_empty() {
                let text = read_to_string(&path).unwrap();
                assert!(anchors(&text).contains(anchor), "{name}: no heading {link}");
            }
        }
    }
}

#[test]
fn links_into_the_repository_are_relative_and_end_within_it() {
    let root = root().canonicalize().unwrap();
    for (name, page) in pages() {
        for link in links(&page).into_iter().filter(|link| !link.contains("://")) {
            let file = link.split('#').next().unwrap();
            let path = source().join(file).canonicalize().unwrap();
            assert!(path.starts_with(&root), "{name}: {link} leads out of the repository");
            // `build.sh` knows them by this beginning.
            let inside = path.starts_with(source().canonicalize().unwrap());
            assert!(inside || file.starts_with("../../../"), "{name}: {link}");
        }
    }
}

#[test]
fn the_contents_name_every_page_once() {
    let mut pages = pages();
    let contents = pages.remove(CONTENTS).unwrap();
    let mut named = links(&contents);
    named.sort_unstable();
    assert_eq!(named, pages.keys().collect::<Vec<_>>());
    for (name, page) in pages {
        let title = page.lines().next().unwrap().trim_start_matches("# ");
        let entry = format!("[{title}]({name})");
        assert!(contents.contains(&entry), "{CONTENTS} lacks: {entry}");
    }
}

#[test]
fn every_page_with_code_of_rust_is_compiled() {
    let compiled = read_to_string(root().join("crates/cni-burn/src/book.rs")).unwrap();
    for (name, page) in pages() {
        let included = compiled.contains(&format!("docs/book/src/{name}\")"));
        assert_eq!(included, page.contains("```rust"), "{name} and crates/cni-burn/src/book.rs");
        assert!(!page.contains("```rust,ignore"), "{name} has code that no test compiles");
    }
}

/// The code of PyTorch beside ours. Without Python the test says so and passes.
#[test]
fn the_python_of_the_book_is_python() {
    for (name, page) in pages() {
        for code in page.split("```python\n").skip(1) {
            let code = code.split("```").next().unwrap();
            let parse = ["-c", "import ast, sys; ast.parse(sys.argv[1])", code];
            match Command::new("python3").args(parse).output() {
                Err(_) => return eprintln!("no python3 here"),
                Ok(output) => {
                    let said = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success(), "{name}: {said}");
                }
            }
        }
    }
}

#[test]
fn every_example_is_in_the_gallery_and_in_the_readme() {
    let gallery = read_to_string(source().join("examples.md")).unwrap();
    let readme = read_to_string(root().join("README.md")).unwrap();
    let linked: BTreeSet<_> = links(&gallery).into_iter().chain(links(&readme)).collect();
    for example in read_dir(root().join("examples")).unwrap() {
        let name = example.unwrap().file_name().into_string().unwrap();
        for link in [format!("../../../examples/{name}"), format!("examples/{name}")] {
            let within = |found: &str| found == link || found.starts_with(&format!("{link}/"));
            assert!(linked.iter().any(|found| within(found)), "no link to {link}");
        }
    }
}
