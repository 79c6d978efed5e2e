use super::*;

fn entry(number: u8, bought: Option<&str>) -> Entry {
    Entry {
        content: Hash([number; 16]),
        key: number.is_multiple_of(2).then_some(Hash([number; 16])),
        arrived: u64::from(number),
        bought: bought.map(|task| Bought {
            task: task.to_owned(),
            stream_url: (number > 3).then(|| "/stream".to_owned()),
            created: 7,
            key: number.is_multiple_of(2).then(|| "key-one".to_owned()),
            model: number.is_multiple_of(3).then(|| "kimi-k2.6".to_owned()),
        }),
    }
}

fn open(path: &Path) -> Result<(LedgerFile, Contents), OpenError> {
    LedgerFile::open(path, IfDamaged::Refuse)
}

#[test]
fn what_was_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let (mut file, begun) = open(&path).unwrap();
    assert!(begun.entries.is_empty());
    assert!(begun.responses.is_empty());
    let rows = Changes::from([
        (1, Some(entry(1, None))),
        (2, Some(entry(2, Some("t2")))),
        (300, Some(entry(4, Some("t4")))),
        (5, Some(entry(5, Some("gone")))),
    ]);
    let response = |id: &str, record: Option<&[u8]>| (id.to_owned(), record.map(<[u8]>::to_vec));
    let responses = [response("a", Some(b"{}")), response("b", Some(b"gone"))];
    file.write(&rows, &Changes::from(responses)).unwrap();
    let responses = [response("b", None), response("c", None)];
    file.write(
        &Changes::from([(5, None), (6, None)]),
        &Changes::from(responses),
    )
    .unwrap();
    drop(file);
    let (_, contents) = open(&path).unwrap();
    assert_eq!(contents.secret, begun.secret);
    assert_eq!(contents.responses, [("a".to_owned(), b"{}".to_vec())]);
    assert_eq!(
        contents.entries,
        [
            (1, entry(1, None)),
            (2, entry(2, Some("t2"))),
            (300, entry(4, Some("t4")))
        ]
    );
}

#[test]
fn a_database_of_another_program_is_not_taken() {
    const OTHERS: TableDefinition<u64, u64> = TableDefinition::new("theirs");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs");
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(OTHERS)
        .unwrap()
        .insert(1, 1)
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(open(&path), Err(OpenError::Damaged { .. })));
}

#[test]
fn another_format_is_not_taken_for_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    drop(open(&path).unwrap());
    let database = Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(ABOUT)
        .unwrap()
        .insert(FORMAT, b"2".as_slice())
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = open(&path).err().unwrap().to_string();
    assert!(error.contains("another version"), "{error}");
}

/// Every byte of what is in use may be wrong: the file is refused, or what it held is read.
#[test]
fn no_damage_brings_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let (mut file, _) = open(&path).unwrap();
    let rows = (0..50).map(|id| (id, Some(entry(id as u8, Some("task")))));
    file.write(&rows.collect(), &Changes::new()).unwrap();
    drop(file);
    let whole = std::fs::read(&path).unwrap();
    let used: Vec<usize> = (0..whole.len())
        .filter(|&at| whole[at] != 0 && whole[at] != 0xff)
        .collect();
    let mut refused = 0;
    let probes = used.iter().step_by(used.len().div_ceil(150));
    for at in probes {
        let mut bytes = whole.clone();
        bytes[*at] ^= 0xff;
        std::fs::write(&path, bytes).unwrap();
        match open(&path) {
            Ok((_, contents)) => assert!(contents.entries.len() <= 50),
            Err(OpenError::Damaged { .. }) => refused += 1,
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
    assert!(refused > 0);
}

#[test]
fn a_file_of_a_time_before_responses_were_kept_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let (mut file, _) = open(&path).unwrap();
    let rows = Changes::from([(1, Some(entry(1, Some("t"))))]);
    file.write(&rows, &Changes::new()).unwrap();
    drop(file);
    let database = Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    assert!(transaction.delete_table(RESPONSES).unwrap());
    transaction.commit().unwrap();
    drop(database);
    let (_, contents) = open(&path).unwrap();
    assert_eq!((contents.entries.len(), contents.responses.len()), (1, 0));
}
