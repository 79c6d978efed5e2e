//! Keys: in no log, no error and no `Debug` output.

use std::{
    io,
    sync::{Arc, Mutex},
};

use foxbridge::{
    config::Config,
    translate::{ByModel, Pattern},
    upstream::UpstreamKey,
};
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter};

use crate::{
    harness::{Bridge, CHAT, scripted},
    http::{KEY, Request},
};

const CONFIGURED: &str = "sk-upstream-91d2e7b4c0";
const LISTED: &str = "sk-listed-5fe80b13aa";

/// Everything that is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_key_is_ever_told() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let (mut debugged, mut debugged_list) = (String::new(), String::new());
    let mut with_key = |config: &mut Config| {
        config.upstream.api_key = Some(CONFIGURED.to_owned().into());
        debugged = format!("{config:?} {config:#?}");
    };

    let mut with_keys = |config: &mut Config| {
        config.upstream.keys = Some(vec![UpstreamKey {
            name: "main".to_owned(),
            key: LISTED.to_owned().into(),
            weight: 1,
        }]);
        config.models.fallbacks = ByModel::new(vec![(
            Pattern::new("gpt-*").unwrap(),
            vec!["kimi-k2.6".to_owned()],
        )]);
        debugged_list = format!("{config:?} {config:#?}");
    };

    let mut answers = String::new();
    for (bridge, key) in [
        (Bridge::start().await, KEY),
        (Bridge::with(&mut with_key).await, CONFIGURED),
        (Bridge::with(&mut with_keys).await, LISTED),
    ] {
        for script in [
            "words=3",
            "submit=500x*",
            "submit=resetx*",
            "submit=garbagex*",
            "query=401x*",
            "query=500",
            "task=failed",
            "open=401x*",
            "stream=cut@1x*",
            "submit=422:no_available_modelx*",
            // Last, because a key of a list rests from then on.
            "submit=401x*",
        ] {
            for stream in [false, true] {
                answers += bridge.ask(&scripted(script, stream)).await.text();
            }
        }
        answers += bridge.ask(&Request::get("/v1/models")).await.text();
        answers += bridge.ask(&Request::get("/v1/nowhere")).await.text();
        answers += bridge.ask(&Request::chat("{")).await.text();
        let sent = bridge.journal().requests;
        let expected = format!("Bearer {key}");
        assert!(
            sent.iter()
                .all(|request| request.authorization() == Some(&expected))
        );
    }
    answers += bridge_refusing_the_key().await.as_str();

    let logged = log.text();
    assert!(
        logged.contains("/v1/chat/completions"),
        "what was logged was caught: {logged}"
    );
    for (about, text) in [
        ("log", logged),
        ("answers", answers),
        ("debug", debugged),
        ("debug of a list", debugged_list),
    ] {
        assert!(!text.is_empty(), "{about}");
        for secret in [
            KEY,
            CONFIGURED,
            LISTED,
            &LISTED[3..],
            &KEY[3..],
            &CONFIGURED[3..],
            "91d2",
            "a9c51",
        ] {
            assert!(!text.contains(secret), "{about} tells {secret}: {text}");
        }
    }
}

/// What is said about a key that the upstream knows and refuses.
async fn bridge_refusing_the_key() -> String {
    let bridge = Bridge::start().await;
    let request = Request::chat(CHAT).with("Authorization", "Bearer sk-invalid-91d2-a9c51");
    let answer = bridge.ask(&request).await;
    assert_eq!(answer.status(), 401, "{}", answer.text());
    answer.text().to_owned()
}
