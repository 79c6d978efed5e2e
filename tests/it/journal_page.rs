//! The simulator's journal over HTTP, so that checks in other languages can hold a call against what it bought.

use std::sync::Arc;

use foxbridge::{
    fox::paths,
    simulator::{Journal, Simulator},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Serves the journal for as long as the runtime lives, and returns its URL.
pub(crate) async fn serve(simulator: Arc<Simulator>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let page = page(&simulator.journal()).to_string();
            tokio::spawn(answer(stream, page));
        }
    });
    format!("http://{address}/")
}

fn page(journal: &Journal) -> Value {
    let bodies = |path| {
        let requests = journal.requests.iter();
        requests
            .filter(move |request| request.path == path)
            .map(|request| String::from_utf8_lossy(&request.body))
    };
    let parsed = |path| -> Vec<Value> {
        bodies(path)
            .filter_map(|body| serde_json::from_str(&body).ok())
            .collect()
    };
    json!({
        "submits": journal.submits,
        "tasks_accepted": journal.accepted,
        "streams_open": journal.open_streams,
        "submissions": parsed(paths::GENERATIONS),
        "last_submission_text": bodies(paths::GENERATIONS).next_back(),
        "uploads": parsed(paths::UPLOAD_BASE64),
    })
}

async fn answer(mut stream: TcpStream, page: String) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        page.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(page.as_bytes()).await
}
