//! What is read again while foxbridge serves: on SIGHUP, and when one of its files changes.
//!
//! Folders are watched rather than files, because files are replaced: by renaming another one over them, or, as
//! Kubernetes does it, by turning a symbolic link on the way to them (`..data`). What is watched are all folders where
//! such a change would show. Some file systems tell nobody of changes, so the files are also looked at now and then.

mod watch;

use std::{convert::Infallible, future, io, path::PathBuf, sync::Arc, time::Duration};

use ring::digest;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
    task::spawn_blocking,
    time::sleep,
};

use watch::Watch;

/// How often files are looked at of which nothing was heard.
const LOOK: Duration = Duration::from_secs(30);
/// How long they are left alone after something was heard.
const PAUSE: Duration = Duration::from_millis(100);
/// How long nothing may change before what is there is taken for whole: files that belong together come one by one.
const SETTLE: Duration = Duration::from_millis(500);
/// How often that is waited for.
const PATIENCE: usize = 20;

/// One thing that is made of files.
pub struct Part {
    /// For the log: what it is, as its settings are called.
    pub name: &'static str,
    pub files: Vec<PathBuf>,
    /// Reads the files and puts in force what they say; or leaves everything as it was, and tells why.
    pub renew: Box<dyn Fn() -> Result<(), String> + Send>,
}

/// What has come of reading one part again.
pub struct Outcome {
    /// Whether it is in force as it was read.
    pub is_applied: bool,
    /// What is wrong with any part as it was last read; `None`: all are in force.
    pub fault: Option<String>,
}

/// Is told of each part that was read again.
pub type Report = Box<dyn Fn(Outcome) + Send>;

/// Everything that can be read again.
pub struct Reload {
    parts: Vec<Watched>,
    report: Report,
    hangups: Option<Signal>,
}

struct Watched {
    part: Part,
    /// What the files said when they were last read.
    seen: Content,
    /// What is wrong with that.
    fault: Option<String>,
}

/// A digest of what files say.
type Content = Vec<u8>;

impl Reload {
    /// Of nothing yet.
    pub fn new(report: Report) -> Self {
        Self {
            parts: Vec::new(),
            report,
            hangups: None,
        }
    }

    /// Has this read again; it was read just now, without a fault.
    pub fn add(&mut self, part: Part) {
        self.parts.push(Watched {
            seen: content(&part.files),
            part,
            fault: None,
        });
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
        let Self {
            parts,
            report,
            mut hangups,
        } = self;
        let changed = Arc::new(Notify::new());
        let mut state = State {
            parts,
            report,
            watch: Watch::new(changed.clone()),
        };
        let mut is_asked = false;
        loop {
            let has_parts = !state.parts.is_empty();
            if has_parts {
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
            } else if is_asked {
                tracing::warn!("SIGHUP: there is nothing to read again");
            }
            is_asked = tokio::select! {
                () = hung_up(&mut hangups) => true,
                () = changed.notified() => {
                    // Whatever else lies in the folder can change all the time.
                    sleep(PAUSE).await;
                    false
                }
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
    parts: Vec<Watched>,
    report: Report,
    watch: Watch,
}

impl State {
    /// Reads what has changed, or everything.
    fn look(&mut self, is_asked: bool) {
        // First, so that a change while the files are read is noticed.
        self.watch.look_after(files(&self.parts));
        let mut has_changed = false;
        for number in 0..self.parts.len() {
            let watched = &mut self.parts[number];
            if watched.look(is_asked) {
                has_changed = true;
                let is_applied = watched.fault.is_none();
                (self.report)(Outcome {
                    is_applied,
                    fault: fault(&self.parts),
                });
            }
        }
        if has_changed {
            // What is watched may have been replaced by another folder of the same name.
            self.watch.forget();
            self.watch.look_after(files(&self.parts));
            // What changed meanwhile was heard of by nobody.
            self.watch.look_again();
        }
    }
}

/// All that is wrong, each with its part.
fn fault(parts: &[Watched]) -> Option<String> {
    let faults: Vec<_> = parts
        .iter()
        .filter_map(|watched| {
            Some(format!(
                "{}: {}",
                watched.part.name,
                watched.fault.as_ref()?
            ))
        })
        .collect();
    (!faults.is_empty()).then(|| faults.join("; "))
}

fn files(parts: &[Watched]) -> impl Iterator<Item = &PathBuf> {
    parts.iter().flat_map(|watched| &watched.part.files)
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
        self.fault = (self.part.renew)().err();
        match &self.fault {
            None => tracing::info!("{name}: read again, and in force from now on"),
            Some(cause) => tracing::error!(
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

#[cfg(test)]
mod tests {
    use std::{
        fs,
        sync::{
            Mutex,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use super::*;

    fn part(files: Vec<PathBuf>, renew: impl Fn() -> Result<(), String> + Send + 'static) -> Part {
        Part {
            name: "test",
            files,
            renew: Box::new(renew),
        }
    }

    #[test]
    fn what_has_not_changed_is_not_read_unless_asked() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let mut reload = Reload::new(Box::new(|_| ()));
        reload.add(part(vec![file.path().to_owned()], move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Err("faulty".to_owned())
        }));
        let mut watched = reload.parts.remove(0);
        assert!(!watched.look(false));
        assert!(watched.look(true));
        fs::write(file.path(), "new").expect("to write");
        assert!(watched.look(false) && !watched.look(false));
        fs::remove_file(file.path()).expect("to remove");
        assert!(watched.look(false) && !watched.look(false));
        assert_eq!(count.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn one_parts_success_hides_no_other_parts_fault() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        let mut reload = Reload::new(Box::new(move |outcome| {
            heard
                .lock()
                .unwrap()
                .push((outcome.is_applied, outcome.fault));
        }));
        reload.add(part(vec![], || Err("faulty".to_owned())));
        reload.add(part(vec![], || Ok(())));
        let Reload { parts, report, .. } = reload;
        let mut state = State {
            parts,
            report,
            watch: Watch::new(Arc::default()),
        };
        state.look(true);
        let fault = Some("test: faulty".to_owned());
        assert_eq!(
            *told.lock().unwrap(),
            [(false, fault.clone()), (true, fault)]
        );
    }
}
