//! What `foxbridge demo` prints works as it is printed.

use std::{net::SocketAddr, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::{
    harness::within,
    http::{Connection, Request},
    sdk,
};

/// Reads the welcome up to its last line.
async fn welcome(lines: &mut (impl AsyncBufReadExt + Unpin)) -> String {
    let mut said = String::new();
    while !said.contains("\nprint()\n") {
        let read = lines.read_line(&mut said).await.unwrap();
        assert!(read > 0, "it ended after: {said}");
    }
    said
}

/// The request that a printed curl line makes, and where it goes.
fn request(curl: &str) -> (SocketAddr, Request) {
    let url = curl
        .split_whitespace()
        .find(|word| word.starts_with("http://"))
        .unwrap();
    let (address, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let quoted: Vec<&str> = curl.split('\'').collect();
    let (header, body) = (quoted[1], quoted[3]);
    let (name, value) = header.split_once(": ").unwrap();
    let request = Request::new("POST", &format!("/{path}"), body).with(&name.to_lowercase(), value);
    (address.parse().unwrap(), request)
}

#[tokio::test]
async fn its_curl_lines_and_its_snippet_work_as_printed() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_foxbridge"))
        .args(["demo", "--listen", "127.0.0.1:0", "--chunk-interval", "1ms"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap());
    let said = within("it tells how to use it", welcome(&mut lines)).await;

    let curls: Vec<&str> = said
        .lines()
        .filter(|line| line.trim_start().starts_with("curl "))
        .collect();
    assert_eq!(curls.len(), 2, "{said}");
    for (curl, wanted) in curls.iter().zip(["\"chat.completion\"", "data: [DONE]"]) {
        let (address, request) = request(curl);
        let mut connection = Connection::open(address).await;
        connection.send(&request.to_bytes()).await;
        let answer = connection.answer().await;
        assert_eq!(answer.status(), 200, "{curl}: {}", answer.text());
        assert!(answer.text().contains(wanted), "{curl}: {}", answer.text());
    }

    let snippet = said
        .split_once("from openai import")
        .map(|(_, rest)| format!("from openai import{rest}"));
    let output = Command::new(sdk::python_of("python"))
        .args(["-c", &snippet.unwrap()])
        .env_remove("OPENAI_BASE_URL")
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(printed.matches("count 1 to 3").count(), 2, "{printed}");
}
