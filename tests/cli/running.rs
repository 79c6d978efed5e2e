//! The commands that go on until a signal stops them.

use std::{
    fs,
    io::Read,
    net::{TcpListener, TcpStream},
    process::Stdio,
};

use crate::binary::{Foxbridge, Running};

#[test]
fn a_busy_port_is_told_with_its_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for (command, remedy) in [
        ("serve", "FOXBRIDGE_LISTEN or --listen"),
        ("demo", "with --listen"),
    ] {
        let ran = Foxbridge::new().run(&[command, "--listen", &address]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let start = format!("cannot listen on {address}: Address already in use");
        assert!(ran.stderr.contains(&start), "{}", ran.stderr);
        assert!(ran.stderr.contains(remedy), "{}", ran.stderr);
    }
}

#[test]
fn serve_announces_itself_and_stops_on_a_signal() {
    for signal in ["TERM", "INT"] {
        let foxbridge = Foxbridge::new();
        let mut command = foxbridge.command(&["--listen", "127.0.0.1:0", "--log-format", "json"]);
        command
            .env("FOXBRIDGE_UPSTREAM_API_KEY", "sk-SECRET")
            .stderr(Stdio::piped());
        let mut running = Running::start(&mut command);
        let (address, event) = running.announcement();
        assert_eq!(event["upstream"], "api.foxapi.cc");
        assert_eq!(event["upstream_key"], true);
        assert!(
            event["version"]
                .as_str()
                .is_some_and(|version| version.contains('('))
        );
        assert!(!event.to_string().contains("SECRET"));
        TcpStream::connect(address).expect("to connect");
        running.signal(signal);
        assert_eq!(running.exit_code(), Some(0), "SIG{signal}");
    }
}

#[test]
fn a_log_that_cannot_be_written_does_not_stop_the_proxy() {
    let full = fs::File::options().write(true).open("/dev/full");
    let foxbridge = Foxbridge::new();
    let mut command = foxbridge.command(&["demo", "--listen", "127.0.0.1:0"]);
    command
        .stdout(Stdio::piped())
        .stderr(full.expect("/dev/full"));
    let mut running = Running::start(&mut command);
    let (address, _) = running.welcome();
    TcpStream::connect(address).expect("to connect");
    running.signal("TERM");
    assert_eq!(running.exit_code(), Some(0));
}

#[test]
fn the_demo_needs_nothing_and_minds_nothing() {
    let foxbridge = Foxbridge::with_file("proxy.toml", "this is not TOML");
    let mut command = foxbridge.command(&["demo", "--listen", "127.0.0.1:0"]);
    command
        .env("FOXBRIDGE_LISTEN", "nonsense")
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut running = Running::start(&mut command);
    let (address, mut stdout) = running.welcome();
    TcpStream::connect(address).expect("to connect");
    running.signal("TERM");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("the rest");
    let base_url = format!("http://{address}/v1");
    for part in [
        format!("curl {base_url}/chat/completions"),
        format!("curl -N {base_url}/chat/completions"),
        format!("OpenAI(base_url=\"{base_url}\""),
    ] {
        assert!(rest.contains(&part), "no {part} in:\n{rest}");
    }
    assert_eq!(running.exit_code(), Some(0));

    let wrong = foxbridge.run(&["demo", "--listen", ":8080"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("listen = \":8080\" (flag --listen)"));
}

#[test]
fn the_simulator_stands_alone() {
    let foxbridge = Foxbridge::new();
    let mut command = foxbridge.command(&["simulate", "--listen", "127.0.0.1:0"]);
    let mut running = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::null()));
    let (address, _) = running.welcome();
    TcpStream::connect(address).expect("to connect");
    running.signal("TERM");
    assert_eq!(running.exit_code(), Some(0));
}
