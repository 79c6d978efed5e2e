use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::LOOK;

/// Links on the way to a file, beyond which they go in a circle.
const MOST_LINKS: usize = 40;

/// Hears of changes in folders.
pub(super) struct Watch {
    changed: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
}

impl Watch {
    pub(super) fn new(changed: Arc<Notify>) -> Self {
        Self {
            changed,
            watcher: None,
            folders: BTreeSet::new(),
        }
    }

    pub(super) fn forget(&mut self) {
        self.folders.clear();
    }

    /// As if something had been heard.
    pub(super) fn look_again(&self) {
        self.changed.notify_one();
    }

    /// Watches where `files` could be replaced, unless that is what is watched already.
    pub(super) fn look_after<'f>(&mut self, files: impl Iterator<Item = &'f PathBuf>) {
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
    use std::{fs, os::unix::fs::symlink};

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
        assert_eq!(folders("circle"), expected(&[""]));
        assert_eq!(folders("nowhere/x"), [] as [PathBuf; 0]);
    }
}
