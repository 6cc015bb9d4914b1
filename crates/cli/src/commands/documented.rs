//! The commands and the files of attacks that the README and the book show.

use super::{check, read};
use crate::suites::AttackFile;
use std::fs::{read_dir, read_to_string, write};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The blocks of code of all pages: each with its path, its language and its text.
fn blocks() -> Vec<(String, String, String)> {
    let book = read_dir(root().join("docs/book/src")).unwrap().map(|entry| entry.unwrap().path());
    let readmes = ["README.md", "crates/cli/README.md"].map(|name| root().join(name));
    book.chain(readmes)
        .flat_map(|path| {
            let (text, path) = (read_to_string(&path).unwrap(), path.display().to_string());
            let blocks = text.split("```").skip(1).step_by(2).map(|block| {
                let (language, code) = block.split_once('\n').unwrap();
                (path.clone(), language.to_string(), code.to_string())
            });
            blocks.collect::<Vec<_>>()
        })
        .collect()
}

/// The words of a line as a shell takes them, without its comment.
fn words(line: &str) -> Vec<String> {
    let (mut all, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match quote {
            Some(end) if c == end => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '#' && word.is_none() => break,
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => all.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    all.extend(word);
    all
}

/// The arguments of a line that runs this program.
fn arguments(line: &str) -> Option<Vec<String>> {
    let of_cargo = line.split_once("--bin cni -- ").map(|(_, rest)| rest);
    of_cargo.or(line.strip_prefix("cni ")).map(words)
}

/// Those that `check` refuses before it reads data or a run, too: it reads files of settings, which
/// the reader of a page has to write first.
#[test]
fn the_commands_in_the_documentation_are_commands() {
    let mut count = 0;
    for (page, language, code) in blocks() {
        if !["sh", "text"].contains(&language.as_str()) {
            continue;
        }
        for mut arguments in code.lines().filter_map(arguments) {
            let program = std::iter::once("cni".to_string());
            if let Err(error) = read(program.chain(arguments.iter().cloned())) {
                panic!("{page}: cni {}\n{error}", arguments.join(" "));
            }
            count += 1;
            arguments.retain(|word| word != "--download" || cfg!(feature = "download"));
            for word in arguments.iter_mut().filter(|word| word.ends_with(".toml")) {
                *word = root().join(&*word).display().to_string();
            }
            let there = |word: &String| !word.ends_with(".toml") || Path::new(word).exists();
            if arguments.iter().all(there)
                && let Err(error) = check(&arguments)
            {
                panic!("{page}: cni {}\n{error}", arguments.join(" "));
            }
        }
    }
    assert!(count > 30, "{count} commands");
}

#[test]
fn the_files_of_attacks_in_the_documentation_are_files_of_attacks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("attacks.toml");
    let mut count = 0;
    for (page, language, code) in blocks() {
        if language == "toml" && code.starts_with("attacks = ") {
            write(&path, code).unwrap();
            if let Err(error) = AttackFile::open(&path) {
                panic!("{page}: {error}");
            }
            count += 1;
        }
    }
    assert!(count > 0);
}
