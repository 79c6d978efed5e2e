//! Holds the house rules that no compiler checks: who may import whom (the table in `src/lib.rs`), which rooms
//! never see a socket, a clock or chance, and how long a file may grow.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "house/code.rs"]
mod code;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use code::{Code, depth};

/// The longest file that is still read in one sitting.
const MAX_LINES: usize = 400;

/// Rooms up to this row are pure: same input, same output, on any machine at any time.
const LAST_PURE_ROW: u32 = 4;

/// Room, forbidden word, and why that room may name it all the same.
const PURITY_EXCEPTIONS: [(&str, &str, &str); 0] = [];

/// The simulator stands apart from the rows: it is the other side of the wire.
const SIMULATOR: (&str, [&str; 2]) = ("simulator", ["fox", "json"]);

#[test]
fn rooms_import_only_from_the_rows_above() {
    let rows = rows(&source("src/lib.rs"));
    let mut faults = Vec::new();
    for (room, file) in files_by_room() {
        let code = Code::read(&source(&file));
        for import in code.rooms_named(depth(&file)) {
            if let Some(fault) = import_fault(&rows, &room, &import) {
                faults.push(format!("{file}: {fault}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_room_of_the_crate_is_on_the_map_and_no_other() {
    let map = source("src/lib.rs");
    let mut declared: Vec<String> = declared_rooms(&map);
    let mut mapped: Vec<String> = rows(&map).into_keys().collect();
    mapped.push(SIMULATOR.0.to_owned());
    declared.sort();
    mapped.sort();
    assert_eq!(declared, mapped, "modules of src/lib.rs against its table");
}

#[test]
fn pure_rooms_name_no_socket_no_clock_and_no_chance() {
    let rows = rows(&source("src/lib.rs"));
    let mut used = Vec::new();
    let mut faults = Vec::new();
    for (room, file) in files_by_room() {
        if rows.get(&room).is_none_or(|&row| row > LAST_PURE_ROW) {
            continue;
        }
        for word in Code::read(&source(&file)).impure_words() {
            match PURITY_EXCEPTIONS
                .iter()
                .find(|(r, w, _)| *r == room && *w == word)
            {
                Some(exception) => used.push(*exception),
                None => faults.push(format!("{file}: names {word}")),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for exception in PURITY_EXCEPTIONS {
        assert!(used.contains(&exception), "no longer needed: {exception:?}");
    }
}

#[test]
fn no_file_outgrows_one_sitting() {
    let long: Vec<String> = rust_files(&root().join("src"))
        .into_iter()
        .map(|path| (relative(&path), fs::read_to_string(&path).unwrap()))
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(file, lines)| format!("{file}: {lines} lines, at most {MAX_LINES}"))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// Why `room` may not import `import`, if it may not.
fn import_fault(rows: &BTreeMap<String, u32>, room: &str, import: &str) -> Option<String> {
    if room == import {
        return None;
    }
    if room == SIMULATOR.0 {
        return (!SIMULATOR.1.contains(&import)).then(|| {
            format!(
                "the simulator imports {import}, it knows only {:?}",
                SIMULATOR.1
            )
        });
    }
    let own = rows.get(room)?;
    match rows.get(import) {
        Some(row) if row < own => None,
        Some(row) => Some(format!(
            "{room} (row {own}) imports {import} (row {row}), which is not above it"
        )),
        // A name that is no room is an item of lib.rs itself, which has none but the simulator.
        None => Some(format!("{room} imports {import}, which is in no row")),
    }
}

/// The table of `src/lib.rs`: room to row.
fn rows(map: &str) -> BTreeMap<String, u32> {
    map.lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .filter_map(|line| line.split_once(" | "))
        .filter_map(|(row, rooms)| Some((row.parse::<u32>().ok()?, rooms)))
        .flat_map(|(row, rooms)| {
            rooms
                .split("[`")
                .skip(1)
                .filter_map(|rest| rest.split_once("`]"))
                .map(move |(room, _)| (room.to_owned(), row))
        })
        .collect()
}

fn declared_rooms(map: &str) -> Vec<String> {
    map.lines()
        .filter_map(|line| {
            line.trim_start_matches("pub ")
                .strip_prefix("mod ")?
                .strip_suffix(';')
        })
        .map(str::to_owned)
        .collect()
}

/// Every source file that belongs to a room, with the room's name.
fn files_by_room() -> Vec<(String, String)> {
    let rooms = declared_rooms(&source("src/lib.rs"));
    rust_files(&root().join("src"))
        .iter()
        .map(|path| relative(path))
        .filter_map(|file| {
            let room = file
                .strip_prefix("src/")?
                .split('/')
                .next()?
                .trim_end_matches(".rs");
            rooms
                .iter()
                .any(|r| r == room)
                .then(|| (room.to_owned(), file.clone()))
        })
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap()
        .to_string_lossy()
        .replace('\\', "/")
}

fn source(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

mod rules_that_can_fail {
    use super::*;

    const MAP: &str = "//! | row | rooms |\n//! | 1 | [`json`] |\n//! | 2 | [`fox`] (words), [`sse`] |\n//! | 6 | [`relay`] |\n";

    #[test]
    fn the_table_is_read() {
        let rows = rows(MAP);
        assert_eq!(rows.len(), 4);
        assert_eq!(
            (rows["json"], rows["fox"], rows["sse"], rows["relay"]),
            (1, 2, 2, 6)
        );
    }

    #[test]
    fn an_import_from_below_or_beside_is_a_fault() {
        let rows = rows(MAP);
        for (room, import, allowed) in [
            ("relay", "fox", true),
            ("relay", "relay", true),
            ("fox", "relay", false),
            ("fox", "sse", false),
            ("fox", "nowhere", false),
            ("simulator", "fox", true),
            ("simulator", "json", true),
            ("simulator", "relay", false),
        ] {
            let fault = import_fault(&rows, room, import);
            assert_eq!(
                fault.is_none(),
                allowed,
                "{room} imports {import}: {fault:?}"
            );
        }
    }
}
