//! What supervisors need of the binary: a health check without a shell, and the word that it is ready.

use std::{io::ErrorKind, os::unix::net::UnixDatagram, process::Stdio, time::Duration};

use crate::binary::{Foxbridge, Running};

const SERVE: [&str; 6] = [
    "--listen",
    "127.0.0.1:0",
    "--log-format",
    "json",
    "--set",
    "admin.listen=127.0.0.1:0",
];

#[test]
fn a_health_check_asks_whoever_runs() {
    let foxbridge = Foxbridge::new();
    let mut command = foxbridge.command(&SERVE);
    let mut running = Running::start(command.stderr(Stdio::piped()));
    let (_, event) = running.announcement();
    let admin = event["admin"].as_str().expect("an address").to_owned();
    for arguments in [
        vec!["healthcheck", "--address", &admin],
        vec!["healthcheck", "--live", "--address", &admin],
    ] {
        let ran = foxbridge.run(&arguments);
        assert_eq!((ran.code, ran.stdout.trim()), (Some(0), "ok"), "{ran:?}");
    }
    // As in an image: the same settings, and a listener on every interface.
    let everywhere = admin.replace("127.0.0.1", "0.0.0.0");
    let environment = [
        ("FOXBRIDGE_ADMIN_LISTEN", everywhere.as_str()),
        ("FOXBRIDGE_ADMIN_ALLOW_PUBLIC", "true"),
    ];
    let ran = foxbridge.run_with(&["healthcheck"], &environment);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    running.signal("TERM");
    assert_eq!(running.exit_code(), Some(0));
    let ran = foxbridge.run(&["healthcheck", "--address", &admin]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("cannot be asked"), "{}", ran.stderr);
    let ran = foxbridge.run(&["healthcheck"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("set admin.listen"), "{}", ran.stderr);
}

#[test]
fn systemd_is_told_when_it_is_ready_and_when_it_stops() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a limit");
    let told = || {
        let mut text = [0; 256];
        match socket.recv(&mut text) {
            Ok(length) => String::from_utf8_lossy(&text[..length]).trim().to_owned(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => "nothing".to_owned(),
            Err(error) => panic!("{error}"),
        }
    };
    let foxbridge = Foxbridge::new();
    let mut command = foxbridge.command(&SERVE);
    let mut running = Running::start(command.env("NOTIFY_SOCKET", &path).stderr(Stdio::piped()));
    assert_eq!(told(), "READY=1");
    running.announcement();
    running.signal("TERM");
    assert_eq!(told(), "STOPPING=1");
    assert_eq!(running.exit_code(), Some(0));
}
