//! What is read again while foxbridge serves: on SIGHUP, and when one of its files changes.
//!
//! Folders are watched rather than files, because files are replaced: by renaming another one over them, or, as
//! Kubernetes does it, by turning a symbolic link on the way to them (`..data`). What is watched are all folders where
//! such a change would show. Some file systems tell nobody of changes, so the files are also looked at now and then.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    future, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use ring::digest;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
    task::spawn_blocking,
    time::sleep,
};

/// How often files are looked at of which nothing was heard.
const LOOK: Duration = Duration::from_secs(30);
/// How long nothing may change before what is there is taken for whole: files that belong together come one by one.
const SETTLE: Duration = Duration::from_millis(500);
/// How often that is waited for.
const PATIENCE: usize = 20;
/// Links on the way to a file, beyond which they go in a circle.
const MOST_LINKS: usize = 40;

/// One thing that is made of files.
pub struct Part {
    /// For the log: what it is, as its settings are called.
    pub name: &'static str,
    pub files: Vec<PathBuf>,
    /// Reads the files and puts in force what they say; or leaves everything as it was, and tells why.
    pub renew: Box<dyn Fn() -> Result<(), String> + Send>,
}

/// Everything that can be read again.
pub struct Reload {
    parts: Vec<Watched>,
    hangups: Option<Signal>,
}

struct Watched {
    part: Part,
    /// What the files said when they were last read.
    seen: Content,
}

/// A digest of what files say.
type Content = Vec<u8>;

impl Reload {
    /// Of `parts` that were read just now.
    pub fn of(parts: Vec<Part>) -> Self {
        let watched = parts.into_iter().map(|part| Watched {
            seen: content(&part.files),
            part,
        });
        Self {
            parts: watched.collect(),
            hangups: None,
        }
    }

    /// From here on SIGHUP does not end the process, but has everything read again.
    ///
    /// # Errors
    /// When the operating system does not deliver it.
    pub fn heed_hangups(&mut self) -> io::Result<()> {
        self.hangups = Some(signal(SignalKind::hangup())?);
        Ok(())
    }

    /// Reads again what has changed, for as long as it is polled.
    pub async fn run(self) -> Infallible {
        let Self { parts, mut hangups } = self;
        let changed = Arc::new(Notify::new());
        let mut state = State {
            has_parts: !parts.is_empty(),
            parts,
            watch: Watch::new(changed.clone()),
        };
        let mut is_asked = false;
        loop {
            let has_parts = state.has_parts;
            // Files can be on the other side of a network.
            let looked = spawn_blocking(move || {
                state.look(is_asked);
                state
            });
            match looked.await {
                Ok(again) => state = again,
                // The runtime ends, or a defect has been told.
                Err(_) => return future::pending().await,
            }
            is_asked = tokio::select! {
                () = hung_up(&mut hangups) => true,
                () = changed.notified() => false,
                () = sleep(LOOK), if has_parts => false,
            };
        }
    }
}

async fn hung_up(hangups: &mut Option<Signal>) {
    let Some(hangups) = hangups else {
        return future::pending().await;
    };
    if hangups.recv().await.is_none() {
        future::pending().await
    }
}

struct State {
    has_parts: bool,
    parts: Vec<Watched>,
    watch: Watch,
}

impl State {
    /// Reads what has changed, or everything.
    fn look(&mut self, is_asked: bool) {
        if is_asked && !self.has_parts {
            tracing::warn!(
                "SIGHUP: only certificates are read again, and there are none; other settings need a restart"
            );
        }
        // First, so that a change while the files are read is noticed.
        self.watch.look_after(&self.parts);
        let mut has_changed = false;
        for watched in &mut self.parts {
            has_changed |= watched.look(is_asked);
        }
        if has_changed {
            // What is watched may have been replaced by another folder of the same name.
            self.watch.forget();
            self.watch.look_after(&self.parts);
        }
    }
}

impl Watched {
    /// Whether something was read.
    fn look(&mut self, is_asked: bool) -> bool {
        let mut now = content(&self.part.files);
        if now == self.seen && !is_asked {
            return false;
        }
        for _ in 0..PATIENCE {
            std::thread::sleep(SETTLE);
            let later = content(&self.part.files);
            if later == now {
                break;
            }
            now = later;
        }
        self.seen = now;
        let name = self.part.name;
        match (self.part.renew)() {
            Ok(()) => tracing::info!("{name}: read again, and in force for new connections"),
            Err(cause) => tracing::error!(
                %cause,
                "{name}: the files are faulty, so what was in force stays; put them right, and they are read again"
            ),
        }
        true
    }
}

/// What the files say, or why they cannot be read.
fn content(files: &[PathBuf]) -> Content {
    let mut context = digest::Context::new(&digest::SHA256);
    for file in files {
        let (kind, bytes) = match std::fs::read(file) {
            Ok(bytes) => (0_u8, bytes),
            Err(error) => (1, error.kind().to_string().into_bytes()),
        };
        context.update(&[kind]);
        context.update(digest::digest(&digest::SHA256, &bytes).as_ref());
    }
    context.finish().as_ref().to_vec()
}

/// Hears of changes in folders.
struct Watch {
    changed: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
}

impl Watch {
    fn new(changed: Arc<Notify>) -> Self {
        Self {
            changed,
            watcher: None,
            folders: BTreeSet::new(),
        }
    }

    fn forget(&mut self) {
        self.folders.clear();
    }

    /// Watches the folders of `parts`, unless these are watched already.
    fn look_after(&mut self, parts: &[Watched]) {
        let files = parts.iter().flat_map(|watched| &watched.part.files);
        let mut folders = BTreeSet::new();
        for file in files {
            note_folders(file, &mut folders, MOST_LINKS);
        }
        if folders == self.folders {
            return;
        }
        match self.watch(&folders) {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) => {
                self.watcher = None;
                tracing::warn!(
                    %error,
                    "files cannot be watched (fs.inotify.max_user_instances?): they are looked at every {LOOK:?}"
                );
            }
        }
        self.folders = folders;
    }

    fn watch(&self, folders: &BTreeSet<PathBuf>) -> notify::Result<RecommendedWatcher> {
        let changed = self.changed.clone();
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // Looking at a file is an event too, and would be the next reason to look.
                if !matches!(event, Ok(event) if matches!(event.kind, EventKind::Access(_))) {
                    changed.notify_one();
                }
            })?;
        for folder in folders {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        Ok(watcher)
    }
}

/// The folders in which another file can take the place of `file`: its own, and those of all links on the way to it.
fn note_folders(file: &Path, folders: &mut BTreeSet<PathBuf>, links: usize) {
    let Some(links) = links.checked_sub(1) else {
        return;
    };
    for step in file.ancestors() {
        let Ok(target) = step.read_link() else {
            continue;
        };
        let folder = folder_of(step);
        note_folders(&folder.join(target), folders, links);
        folders.insert(folder);
    }
    if let Ok(real) = file.canonicalize() {
        folders.insert(folder_of(&real));
    }
    let folder = folder_of(file);
    if folder.is_dir() {
        folders.insert(folder);
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::symlink,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[test]
    fn all_folders_of_links_are_known() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path().canonicalize().expect("its name");
        for folder in ["certs/..one", "store", "v1"] {
            fs::create_dir_all(root.join(folder)).expect(folder);
        }
        fs::write(root.join("certs/..one/tls.crt"), "x").expect("a file");
        fs::write(root.join("store/a.crt"), "x").expect("a file");
        symlink("..one", root.join("certs/..data")).expect("a link");
        symlink("..data/tls.crt", root.join("certs/tls.crt")).expect("a link");
        symlink("../store/a.crt", root.join("v1/tls.crt")).expect("a link");
        symlink("v1", root.join("current")).expect("a link");
        symlink("circle", root.join("circle")).expect("a link");
        let folders = |file: &str| {
            let mut folders = BTreeSet::new();
            note_folders(&root.join(file), &mut folders, MOST_LINKS);
            let real = folders.iter().map(|folder| folder.canonicalize());
            let mut real: Vec<_> = real.map(|folder| folder.expect("a folder")).collect();
            real.sort();
            real.dedup();
            real
        };
        let expected = |names: &[&str]| -> Vec<PathBuf> {
            let mut paths: Vec<_> = names.iter().map(|name| root.join(name)).collect();
            paths.sort();
            paths
        };
        assert_eq!(
            folders("certs/tls.crt"),
            expected(&["certs", "certs/..one"])
        );
        assert_eq!(folders("current/tls.crt"), {
            let mut all = expected(&["store", "v1"]);
            all.insert(0, root.clone());
            all
        });
        assert_eq!(folders("circle"), [root.clone()]);
        assert_eq!(folders("nowhere/x"), [] as [PathBuf; 0]);
    }

    #[test]
    fn what_has_not_changed_is_not_read_unless_asked() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let part = Part {
            name: "test",
            files: vec![file.path().to_owned()],
            renew: Box::new(move || {
                counted.fetch_add(1, Ordering::Relaxed);
                Err("faulty".to_owned())
            }),
        };
        let mut watched = Reload::of(vec![part]).parts.remove(0);
        assert!(!watched.look(false));
        assert!(watched.look(true));
        fs::write(file.path(), "new").expect("to write");
        assert!(watched.look(false) && !watched.look(false));
        fs::remove_file(file.path()).expect("to remove");
        assert!(watched.look(false) && !watched.look(false));
        assert_eq!(count.load(Ordering::Relaxed), 3);
    }
}
