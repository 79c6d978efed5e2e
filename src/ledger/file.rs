use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use redb::{
    Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTableMetadata,
    StorageError, TableDefinition, TableError, WriteTransaction, backends::FileBackend,
};

use super::{Bought, Hash, random, settings::IfDamaged};

/// What the file is, and what its hashes are keyed with.
const ABOUT: TableDefinition<&str, &[u8]> = TableDefinition::new("foxbridge_ledger");
const FORMAT: &str = "format";
const FORMAT_NOW: &[u8] = b"1";
const SECRET: &str = "secret";

/// By row id: content, key, arrival in Unix milliseconds, and the task if its id is known: id, stream URL, creation.
const REQUESTS: TableDefinition<u64, Columns> = TableDefinition::new("requests");
type Columns = ([u8; 16], Option<[u8; 16]>, u64, Option<TaskColumns>);
type TaskColumns = (&'static str, Option<&'static str>, u64);

/// By row id: the name of the upstream key that bought it, and the model that took it in another's place. Only where there
/// is one of them, and in a table of its own so that files are read that were written before there could be.
const BUYERS: TableDefinition<u64, BuyerColumns> = TableDefinition::new("buyers");
type BuyerColumns = (Option<&'static str>, Option<&'static str>);

/// By id: a kept response, as the room that keeps it writes it.
const RESPONSES: TableDefinition<&str, &[u8]> = TableDefinition::new("responses");

/// Pages that are kept in memory. Rows are read once, at the start; after that only the paths to changed ones are.
const CACHE: usize = 4 << 20;

/// A request as it is kept: what it takes to find its task again after a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) content: Hash,
    pub(super) key: Option<Hash>,
    /// Unix milliseconds.
    pub(super) arrived: u64,
    /// `None` from before the submit until its outcome: whoever finds this after a crash does not know.
    pub(super) bought: Option<Bought>,
}

/// Why a ledger file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("The operating system gives no thread for the connection to Redis: {0}")]
    NoThread(std::io::Error),
    #[error("The system gives no random numbers, so the ledger cannot key its hashes.")]
    NoRandomness,
    #[error(
        "The ledger file {0} is in use by another process. Give each foxbridge a file of its own (ledger.store)."
    )]
    InUse(PathBuf),
    #[error(
        "The ledger file {path} cannot be opened: {error}. Make its folder exist and let this user write there, or \
         set ledger.store to another file."
    )]
    Io { path: PathBuf, error: io::Error },
    #[error(
        "{path} is not a foxbridge ledger that can be read: {cause}. Set ledger.store to another \
         file; or set ledger.if_damaged to \"move-aside\" to keep this one under another name and begin a new one, \
         which forgets the tasks of requests that are sent again."
    )]
    Damaged { path: PathBuf, cause: String },
}

/// What is to be written by its id, or (`None`) removed.
pub(super) type Changes<Id, What> = BTreeMap<Id, Option<What>>;

/// The file, open and locked against every other process.
pub(super) struct LedgerFile {
    path: PathBuf,
    /// `None` after a fault: the library asks for a new start then.
    database: Option<Database>,
}

/// What a file holds when it is opened.
pub(super) struct Contents {
    pub(super) secret: [u8; 32],
    /// By row id, the oldest first.
    pub(super) entries: Vec<(u64, Entry)>,
    /// Kept responses, by id.
    pub(super) responses: Vec<(String, Vec<u8>)>,
}

impl LedgerFile {
    /// Opens the file at `path`, or begins one. Every page is checked.
    pub(super) fn open(path: &Path, if_damaged: IfDamaged) -> Result<(Self, Contents), OpenError> {
        match read(path) {
            Err(OpenError::Damaged { cause, .. }) if if_damaged == IfDamaged::MoveAside => {
                let aside = move_aside(path).map_err(|error| OpenError::Io {
                    path: path.to_owned(),
                    error,
                })?;
                tracing::warn!(
                    path = %path.display(), aside = %aside.display(), cause,
                    "the ledger file cannot be read; it was moved aside and a new one begun: tasks bought before are not \
                     found again"
                );
                read(path)
            }
            result => result,
        }
    }

    /// Writes rows and kept responses, and removes those that are `None`. They survive whatever happens after this.
    pub(super) fn write(
        &mut self,
        rows: &Changes<u64, Entry>,
        responses: &Changes<String, Vec<u8>>,
    ) -> Result<(), redb::Error> {
        // Dropped on a fault, which the database does not forget before it is opened again.
        let database = match self.database.take() {
            Some(database) => database,
            None => open(&self.path)?,
        };
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(REQUESTS)?;
            for (id, entry) in rows {
                match entry {
                    Some(entry) => drop(table.insert(id, entry.columns())?),
                    None => drop(table.remove(id)?),
                }
            }
            write_buyers(&transaction, rows)?;
            let mut table = transaction.open_table(RESPONSES)?;
            for (id, record) in responses {
                match record {
                    Some(record) => drop(table.insert(id.as_str(), record.as_slice())?),
                    None => drop(table.remove(id.as_str())?),
                }
            }
        }
        transaction.commit()?;
        self.database = Some(database);
        Ok(())
    }
}

impl Entry {
    fn columns(&self) -> <Columns as redb::Value>::SelfType<'_> {
        let bought = self.bought.as_ref();
        (
            self.content.0,
            self.key.map(|key| key.0),
            self.arrived,
            bought.map(|it| (it.task.as_str(), it.stream_url.as_deref(), it.created)),
        )
    }
}

fn read(path: &Path) -> Result<(LedgerFile, Contents), OpenError> {
    let damaged = |cause: String| OpenError::Damaged {
        path: path.to_owned(),
        cause,
    };
    let database = open(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::InUse(path.to_owned()),
        // Of a file that is none of its own, or cut short, the library says these two.
        DatabaseError::Storage(StorageError::Io(error))
            if !matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            OpenError::Io {
                path: path.to_owned(),
                error,
            }
        }
        error => damaged(error.to_string()),
    })?;
    let is_new = is_empty(&database).map_err(|error| damaged(error.to_string()))?;
    if is_new {
        let secret = random()?;
        begin(&database, &secret).map_err(|error| match error {
            redb::Error::Io(error) => OpenError::Io {
                path: path.to_owned(),
                error,
            },
            error => damaged(error.to_string()),
        })?;
    }
    let contents = contents(&database)
        .map_err(|error| damaged(error.to_string()))?
        .map_err(damaged)?;
    let file = LedgerFile {
        path: path.to_owned(),
        database: Some(database),
    };
    Ok((file, contents))
}

fn open(path: &Path) -> Result<Database, DatabaseError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    // It has no keys in it, but what was asked and answered, where responses are kept, and always who asked when.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file: File = options.open(path)?;
    Builder::new()
        .set_cache_size(CACHE)
        // Without this a file that was changed by others may bring the library to panic.
        .set_check_integrity_on_open(true)
        .create_with_backend(FileBackend::new(file)?)
}

fn is_empty(database: &Database) -> Result<bool, redb::Error> {
    let transaction = database.begin_read()?;
    let is_empty = transaction.list_tables()?.next().is_none()
        && transaction.list_multimap_tables()?.next().is_none();
    Ok(is_empty)
}

fn begin(database: &Database, secret: &[u8; 32]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut about = transaction.open_table(ABOUT)?;
        about.insert(FORMAT, FORMAT_NOW)?;
        about.insert(SECRET, secret.as_slice())?;
        transaction.open_table(REQUESTS)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Reads everything; the inner error says what is not as this version writes it.
fn contents(database: &Database) -> Result<Result<Contents, String>, redb::Error> {
    let transaction = database.begin_read()?;
    let about = transaction.open_table(ABOUT)?;
    let format = about.get(FORMAT)?;
    if format.as_ref().map(|format| format.value()) != Some(FORMAT_NOW) {
        return Ok(Err("it was written by another version".to_owned()));
    }
    let secret = about.get(SECRET)?;
    let Some(secret) = secret.and_then(|secret| secret.value().try_into().ok()) else {
        return Ok(Err("its secret is missing".to_owned()));
    };
    let requests = transaction.open_table(REQUESTS)?;
    let mut entries = Vec::new();
    for row in requests.range::<u64>(..)? {
        let (id, columns) = row?;
        let (content, key, arrived, bought) = columns.value();
        let bought = bought.map(|(task, stream_url, created)| Bought {
            task: task.to_owned(),
            stream_url: stream_url.map(str::to_owned),
            created,
            key: None,
            model: None,
        });
        let entry = Entry {
            content: Hash(content),
            key: key.map(Hash),
            arrived,
            bought,
        };
        entries.push((id.value(), entry));
    }
    read_buyers(&transaction, &mut entries)?;
    Ok(Ok(Contents {
        secret,
        entries,
        responses: responses(&transaction)?,
    }))
}

fn write_buyers(
    transaction: &WriteTransaction,
    rows: &Changes<u64, Entry>,
) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(BUYERS)?;
    for (id, entry) in rows {
        let bought = entry.as_ref().and_then(|entry| entry.bought.as_ref());
        match bought.map(|bought| (bought.key.as_deref(), bought.model.as_deref())) {
            None | Some((None, None)) => {
                if !table.is_empty()? {
                    table.remove(id)?;
                }
            }
            Some(buyer) => drop(table.insert(id, buyer)?),
        }
    }
    Ok(())
}

fn read_buyers(
    transaction: &ReadTransaction,
    entries: &mut [(u64, Entry)],
) -> Result<(), redb::Error> {
    let table = match transaction.open_table(BUYERS) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(()),
        table => table?,
    };
    for (id, entry) in entries {
        if let (Some(buyer), Some(bought)) = (table.get(*id)?, &mut entry.bought) {
            let (key, model) = buyer.value();
            bought.key = key.map(str::to_owned);
            bought.model = model.map(str::to_owned);
        }
    }
    Ok(())
}

/// None where the file is of a time before responses were kept.
fn responses(transaction: &ReadTransaction) -> Result<Vec<(String, Vec<u8>)>, redb::Error> {
    let table = match transaction.open_table(RESPONSES) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        table => table?,
    };
    let rows = table.range::<&str>(..)?.map(|row| {
        let (id, record) = row?;
        Ok((id.value().to_owned(), record.value().to_owned()))
    });
    rows.collect()
}

/// Renames the file to a name that is free, and tells which.
fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!(".aside-{number}"));
        let aside = PathBuf::from(aside);
        if !aside.try_exists()? {
            std::fs::rename(path, &aside)?;
            return Ok(aside);
        }
        number += 1;
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
