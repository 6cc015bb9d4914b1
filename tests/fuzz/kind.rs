//! A kind of file, and what is demanded of its reader.

use crate::MEMORY;
use crate::mutation::mutated;
use cni_burn::noise::Key;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tempfile::TempDir;

const MUTATIONS: u64 = 1_000;

/// The most bytes in use at once, over all kinds that are read at that time.
const MEMORY_LIMIT: usize = 1 << 30;

/// The outcomes of a reader on a mutated file, other than an error.
#[derive(Clone, Copy, PartialEq)]
pub enum Demand {
    /// The outcome of the file before.
    Equal,
    /// Anything that its own assertions let pass.
    Sane,
}

/// Reads a folder and gives all that it read as text, or the error's message.
pub type Reader = Box<dyn Fn(&Path) -> Result<String, String>>;

/// Files of one kind in a folder, and their reader.
pub struct Kind {
    pub folder: TempDir,
    /// The names of the files within the folder, each of which is mutated in turn.
    pub files: Vec<String>,
    pub demand: Demand,
    pub read: Reader,
}

pub fn survives_mutations(name: &str, kind: Kind) {
    let key = Key::new(1).named(name);
    let root = kind.folder.path();
    let wanted = (kind.read)(root).expect("the files are good before they are mutated");
    let paths: Vec<_> = kind.files.iter().map(|file| root.join(file)).collect();
    let whole: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    let (mut refused, mut failures) = (0, Vec::new());
    for i in 0..MUTATIONS {
        let file = i as usize % paths.len();
        put(&paths[file], &mutated(&whole[file], key.child(i)));
        let failure = match catch_unwind(AssertUnwindSafe(|| (kind.read)(root))) {
            Err(_) => Some("a panic".to_string()),
            Ok(Err(error)) => {
                refused += 1;
                let named = error.contains(&*root.to_string_lossy());
                (!named).then(|| format!("an error that names no file: {error}"))
            }
            Ok(Ok(got)) if kind.demand == Demand::Equal && got != wanted => {
                Some(format!("another result: {}", difference(&got, &wanted)))
            }
            Ok(Ok(_)) => None,
        };
        let failure =
            failure.map(|failure| format!("mutation {i} of {}: {failure}", kind.files[file]));
        failures.extend(failure);
        put(&paths[file], &whole[file]);
    }
    let peak = MEMORY.peak_usage();
    println!("{name}: {refused} of {MUTATIONS} refused, peak of {peak} bytes");
    assert!(
        failures.is_empty(),
        "{} failures, as {:#?}",
        failures.len(),
        &failures[..failures.len().min(5)]
    );
    assert!(peak <= MEMORY_LIMIT, "got {peak} bytes in use, wanted at most {MEMORY_LIMIT}");
    assert!(refused > 0, "no mutation was refused: are the files read at all?");
}

/// Writes a file anew: one that is cut to nothing and written again reaches the disk each time.
fn put(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

/// The place at which two texts begin to differ.
fn difference(got: &str, wanted: &str) -> String {
    let same = got.bytes().zip(wanted.bytes()).take_while(|(a, b)| a == b).count();
    let from = |text: &str| {
        let bytes = &text.as_bytes()[same.saturating_sub(40).min(text.len())..];
        String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned()
    };
    format!("got ..{}.., wanted ..{}..", from(got), from(wanted))
}
