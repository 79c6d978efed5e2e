//! Runs the fuzz targets over everything that is kept in `fuzz/corpus`: the seeds written by hand, and what fuzzing has
//! found to lead down another path. A fault found by fuzzing stays here for good.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "../../fuzz/properties/decoder.rs"]
mod decoder;
#[path = "../../fuzz/properties/responses.rs"]
mod responses;
#[path = "../../fuzz/properties/telling.rs"]
mod telling;
#[path = "../../fuzz/properties/translation.rs"]
mod translation;

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 4] = [
    ("decoder", decoder::check),
    ("responses", responses::check),
    ("telling", telling::check),
    ("translation", translation::check),
];

/// Fewer inputs than these are no corpus.
const FEWEST: usize = 30;

#[test]
fn every_target_holds_on_its_whole_corpus() {
    let mut faults = Vec::new();
    for (name, check) in TARGETS {
        let inputs = files(&fuzz().join("corpus").join(name));
        let count = inputs.len();
        assert!(count >= FEWEST, "{name}: only {count} inputs");
        for path in inputs {
            let input = fs::read(&path).unwrap();
            if catch_unwind(AssertUnwindSafe(|| check(&input))).is_err() {
                faults.push(path.display().to_string());
            }
        }
    }
    assert!(faults.is_empty(), "fault at:\n{}", faults.join("\n"));
}

#[test]
fn every_target_of_the_fuzzer_is_run_here() {
    let here: BTreeSet<String> = TARGETS.map(|(name, _)| name.to_owned()).into();
    let targets = files(&fuzz().join("fuzz_targets"));
    let there = targets.iter().map(|path| path.file_stem().unwrap());
    let there: BTreeSet<String> = there
        .map(|name| name.to_str().unwrap().to_owned())
        .collect();
    assert_eq!(here, there);
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
