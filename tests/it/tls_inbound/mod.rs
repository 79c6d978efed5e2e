//! Clients that speak TLS to the proxy.

mod certificates;
mod renewal;

use std::{process::Stdio, time::Duration};

use foxbridge::config::Config;
use http_body_util::BodyExt;
use hyper::Version;
use rustls::version::{TLS12, TLS13};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::Instant,
};

use crate::{
    events::Events,
    harness::{Bridge, CHAT, within},
    http::{Answer, Connection, Ending, Head, KEY, Request},
    raw_upstream::*,
    sdk,
};
use certificates::*;

async fn secured(folder: &Folder, change: impl FnOnce(&mut Config)) -> Bridge {
    Bridge::with(|config| {
        config.server.tls = Some(folder.files());
        change(config);
    })
    .await
}

/// As the checks of streams want it.
fn whole_stream(text: String) -> Answer {
    Answer {
        head: Head {
            status: 200,
            headers: Vec::new(),
        },
        body: text.into_bytes(),
        ending: Ending::Whole,
    }
}

#[tokio::test]
async fn answers_and_streams_come_over_every_version() {
    let authority = Authority::new();
    let folder = Folder::with(&authority.issue());
    let bridge = secured(&folder, |_| ()).await;
    for http in [Version::HTTP_11, Version::HTTP_2] {
        for tls in [&TLS12, &TLS13] {
            let speech = Speech { http, tls };
            let caller = Caller::speaking(bridge.proxy.address, &authority, None, speech);
            let answer = caller.ask("words=3", false).await;
            assert_eq!(answer.version(), http);
            assert!(text_of(answer).await.contains("chat.completion"));
            let stream = caller.ask("words=40", true).await;
            let chunks = Events::chunks(&whole_stream(text_of(stream).await));
            assert!(chunks.len() > 3);
        }
    }
}

#[tokio::test]
async fn a_chunk_is_sent_when_it_is_there() {
    let authority = Authority::new();
    let folder = Folder::with(&authority.issue());
    let bridge = secured(&folder, |_| ()).await;
    for http in [Version::HTTP_11, Version::HTTP_2] {
        let speech = Speech { http, ..USUAL };
        let caller = Caller::speaking(bridge.proxy.address, &authority, None, speech);
        let mut stream = caller.ask("words=9 stream=stall@3:1h", true).await;
        let first = within("a chunk before the end", stream.frame()).await;
        let first = first.unwrap().unwrap().into_data().unwrap();
        assert!(first.starts_with(b"data: "), "{first:?}");
    }
}

#[tokio::test]
async fn openai_python_trusts_an_authority_of_its_own() {
    let authority = Authority::new();
    let folder = Folder::with(&authority.issue());
    std::fs::write(folder.path("ca.crt"), authority.pem()).unwrap();
    let bridge = secured(&folder, |_| ()).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk/python/tls.py");
    let python = tokio::task::spawn_blocking(|| sdk::python_of("python"));
    let done = Command::new(python.await.unwrap())
        .args(["-B", script])
        .env(
            "OPENAI_BASE_URL",
            format!("https://{}/v1", bridge.proxy.address),
        )
        .env("OPENAI_API_KEY", KEY)
        .env("CA_FILE", folder.path("ca.crt"))
        .env("NO_PROXY", "*")
        .stdin(Stdio::null())
        .output();
    let done = within("the client ends", done).await.unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[tokio::test]
async fn curl_is_served() {
    // Nothing else needs it.
    let Ok(curl) = std::process::Command::new("curl").arg("--version").output() else {
        return;
    };
    let has_http2 = String::from_utf8_lossy(&curl.stdout).contains("HTTP2");
    let authority = Authority::new();
    let folder = Folder::with(&authority.issue());
    std::fs::write(folder.path("ca.crt"), authority.pem()).unwrap();
    let bridge = secured(&folder, |_| ()).await;
    let url = format!("https://{}/v1/chat/completions", bridge.proxy.address);
    for version in ["--http1.1", "--http2", "--tls-max=1.2"] {
        if version == "--http2" && !has_http2 {
            continue;
        }
        // What curl calls an option with a value stands apart.
        let version = version.split('=').collect::<Vec<_>>();
        let done = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--noproxy", "*", &url])
            .args(&version)
            .arg("--cacert")
            .arg(folder.path("ca.crt"))
            .args(["-H", &format!("Authorization: Bearer {KEY}")])
            .args(["-H", "Content-Type: application/json", "-d", CHAT])
            .output();
        let done = within("curl ends", done).await.unwrap();
        assert!(done.status.success(), "{version:?}: {done:?}");
        assert!(String::from_utf8_lossy(&done.stdout).contains("chat.completion"));
    }
}

#[tokio::test]
async fn who_has_no_certificate_of_the_authority_is_turned_away() {
    let (authority, clients, stranger) = (Authority::new(), Authority::new(), Authority::new());
    let folder = Folder::with(&authority.issue());
    std::fs::write(folder.path("clients.crt"), clients.pem()).unwrap();
    let bridge = secured(&folder, |config| {
        let tls = config.server.tls.as_mut().unwrap();
        tls.client_ca = Some(folder.path("clients.crt"));
    })
    .await;
    for tls in [&TLS12, &TLS13] {
        let speech = Speech { tls, ..USUAL };
        for (own, is_served) in [
            (None, false),
            (Some(stranger.issue()), false),
            (Some(clients.issue()), true),
        ] {
            let caller = Caller::speaking(bridge.proxy.address, &authority, own.as_ref(), speech);
            assert_eq!(caller.try_to_ask("words=3", false).await.is_ok(), is_served);
        }
    }
    assert_eq!(bridge.journal().accepted, 2);
}

#[tokio::test]
async fn plain_http_is_told_to_use_https() {
    let folder = Folder::with(&Authority::new().issue());
    let bridge = secured(&folder, |_| ()).await;
    for request in [Request::chat(CHAT), Request::get("/v1/models")] {
        let answer = bridge.ask(&request).await;
        assert_eq!(answer.status(), 400);
        let error = answer.error();
        assert_eq!(error.code.as_deref(), Some("tls_required"));
        assert!(error.message.contains("https://"), "{}", error.message);
        assert_eq!(answer.head.header("connection"), Some("close"));
    }
    for nonsense in [
        &b"\0\0\0\0"[..],
        b"\x16\x03\x01\x00\x05hello",
        b"HELO\r\n\r\n",
    ] {
        let mut connection = bridge.open().await;
        connection.send(nonsense).await;
        connection.until_closed().await;
    }
    assert_eq!(bridge.journal().accepted, 0);
}

/// The first bytes of a handshake, which then stops.
const HALF_A_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

#[tokio::test]
async fn who_never_finishes_the_handshake_holds_up_nobody() {
    let authority = Authority::new();
    let folder = Folder::with(&authority.issue());
    let bridge = secured(&folder, |config| {
        config.server.read_timeout = Duration::from_secs(4);
    })
    .await;
    let mut stuck = Vec::new();
    for at in 0..100 {
        let mut connection = bridge.open().await;
        if at % 2 == 0 {
            connection.send(HALF_A_HELLO).await;
        }
        stuck.push(connection);
    }
    let caller = Caller::new(bridge.proxy.address, &authority);
    let began = Instant::now();
    caller.ask("words=3", false).await;
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    for mut connection in stuck {
        assert!(connection.until_closed().await.is_empty());
    }
}

#[tokio::test]
async fn handshakes_hold_places_and_do_not_hold_up_a_stop() {
    let authority = Authority::new();
    let folder = Folder::with(&authority.issue());
    let mut bridge = secured(&folder, |config| config.server.max_connections = 2).await;
    let mut stuck = Vec::new();
    for _ in 0..2 {
        let mut connection = bridge.open().await;
        connection.send(HALF_A_HELLO).await;
        stuck.push(connection);
    }
    let caller = Caller::new(bridge.proxy.address, &authority);
    let answer = caller.try_to_ask("words=3", false).await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(text_of(answer).await.contains("'server.max_connections'"));
    let began = Instant::now();
    bridge.proxy.ask_to_stop();
    bridge.proxy.stopped().await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn an_address_has_its_share_of_connections() {
    let authority = Authority::new();
    let folder = Folder::with(&authority.issue());
    for is_secure in [false, true] {
        let bridge = Bridge::with(|config| {
            config.server.max_connections_per_address = 20;
            config.server.tls = is_secure.then(|| folder.files());
        })
        .await;
        let address = bridge.proxy.address;
        let mut open = Vec::new();
        for _ in 0..200 {
            open.push(bridge.open().await);
        }
        let refusal = match is_secure {
            true => {
                let caller = Caller::new(address, &authority);
                let answer = caller.try_to_ask("words=3", false).await.unwrap();
                assert_eq!(answer.status(), 503);
                text_of(answer).await
            }
            false => {
                let answer = bridge.ask(&Request::chat(CHAT)).await;
                assert_eq!(answer.status(), 503);
                assert_eq!(answer.head.header("retry-after"), Some("5"));
                answer.text().to_owned()
            }
        };
        assert!(
            refusal.contains("'server.max_connections_per_address'"),
            "{refusal}"
        );
        // Others have their own share.
        let other = tokio::net::TcpSocket::new_v4().unwrap();
        other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let other = within("a connection", other.connect(address))
            .await
            .unwrap();
        if !is_secure {
            let mut other = Connection::over(other);
            other.send(&Request::chat(CHAT).to_bytes()).await;
            assert_eq!(other.answer().await.status(), 200);
        }
        drop(open);
        within("there is room again", async {
            let is_served = || async {
                match is_secure {
                    true => {
                        let caller = Caller::new(address, &authority);
                        caller.try_to_ask("words=3", false).await.unwrap().status() == 200
                    }
                    false => bridge.ask(&Request::chat(CHAT)).await.status() == 200,
                }
            };
            while !is_served().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn who_stops_reading_is_given_up() {
    let authority = Authority::new();
    let folder = Folder::with(&authority.issue());
    let script = Script {
        open: vec![endless("", &text(&"x".repeat(8000)))],
        ..Script::default()
    };
    let stage = Stage::with(script, |config| {
        config.server.tls = Some(folder.files());
        config.server.read_timeout = Duration::from_millis(400);
    })
    .await;
    let mut stream = secure(stage.proxy.address, &authority).await.unwrap();
    let request = question(true, serde_json::json!({}));
    stream.write_all(&request.to_bytes()).await.unwrap();
    let upstream = &stage.upstream;
    upstream.until("it streams", |seen| seen.held == 1).await;
    upstream.until("it is let go", |seen| seen.held == 0).await;
    let mut rest = Vec::new();
    // A connection that is cut has no farewell.
    within("its end", stream.read_to_end(&mut rest))
        .await
        .unwrap_err();
}

/// Where foxbridge closes, it takes leave with a message that nobody reads who has all of the answer: the connection is reset for
/// that, which says nothing of the answer.
#[tokio::test]
async fn an_answer_that_was_read_is_not_found_by_a_retry() {
    const SCRIPT: &str = r#"
import http.client, ssl, sys, time
trusted = ssl.create_default_context(cafile=sys.argv[2])
def ask(retry):
    connection = http.client.HTTPSConnection("127.0.0.1", int(sys.argv[1]), context=trusted)
    connection.request("POST", "/v1/chat/completions", sys.argv[3], {
        "Authorization": "Bearer sk-client", "Content-Type": "application/json",
        "Connection": "close", "x-stainless-retry-count": retry})
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read().endswith(b"}")
    connection.close()
    return answer.getheader("x-foxbridge-found")
for _ in range(5):
    ask("0")
    time.sleep(0.15)
    print(ask("1"))
"#;
    let authority = Authority::new();
    let folder = Folder::with(&authority.issue());
    let bridge = secured(&folder, |_| ()).await;
    let trusted = folder.path("authority.pem");
    std::fs::write(&trusted, authority.pem()).unwrap();
    let python = tokio::task::spawn_blocking(|| sdk::python_of("python"));
    let mut asking = Command::new(python.await.unwrap());
    asking
        .args(["-c", SCRIPT, &bridge.proxy.address.port().to_string()])
        .arg(&trusted)
        .arg(CHAT);
    let output = within("its answers", asking.output()).await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(told, "None\n".repeat(5), "{output:?}");
    assert_eq!(bridge.journal().accepted, 10);
}
