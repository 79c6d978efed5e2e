use std::{ffi::OsStr, fs, path::PathBuf, process::Command};

use crate::fetched::{fetched, succeed};

/// Packages of Debian's and Ubuntu's, taken apart rather than installed, with lists of packages of their own: neither needs
/// root. What would be in `/usr` is in `usr` of the folder.
pub(crate) fn taken_apart(name: &str, packages: &[&str], needed: &str) -> PathBuf {
    let home = fetched(name, &[], &["apt-get", "dpkg"], needed, |home| {
        for folder in ["lists/partial", "cache/archives/partial", "tree"] {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        let option = |name: &str, folder: &str| format!("-o{name}={}", home.join(folder).display());
        let apt = |arguments: &[&str]| {
            let mut apt = Command::new("apt-get");
            apt.arg("-qq")
                .arg(option("Dir::State::Lists", "lists"))
                .arg(option("Dir::Cache", "cache"))
                .args(["-oAPT::Sandbox::User=", "-oDebug::NoLocking=1"])
                .args(arguments)
                .current_dir(home);
            succeed(&mut apt, needed);
        };
        apt(&["update"]);
        apt(&[&["download"], packages].concat());
        for entry in fs::read_dir(home).unwrap() {
            let path = entry.unwrap().path();
            if path.extension() == Some(OsStr::new("deb")) {
                let mut dpkg = Command::new("dpkg");
                succeed(dpkg.arg("-x").arg(&path).arg(home.join("tree")), needed);
            }
        }
        for folder in ["lists", "cache"] {
            fs::remove_dir_all(home.join(folder)).unwrap();
        }
    });
    home.join("tree")
}
