//! A FoxAPI that says exactly what a case makes it say, and remembers what it was told.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

pub(crate) struct Case {
    pub(crate) result: Option<Vec<u8>>,
    pub(crate) stream: Option<Vec<u8>>,
    pub(crate) split: usize,
}

pub(crate) struct Upstream {
    pub(crate) base_url: String,
    submission: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Upstream {
    pub(crate) async fn start(case: Case) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let submission = Arc::new(Mutex::new(None));
        let (case, seen) = (Arc::new(case), submission.clone());
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (case, seen) = (case.clone(), seen.clone());
                let service =
                    service_fn(move |request| answer(case.clone(), seen.clone(), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
            }
        });
        Self {
            base_url,
            submission,
        }
    }

    /// The body of the one submit there was. A second one fails the test.
    pub(crate) fn submission(&self) -> Option<Vec<u8>> {
        self.submission.lock().unwrap().clone()
    }
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

async fn answer(
    case: Arc<Case>,
    seen: Arc<Mutex<Option<Vec<u8>>>>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let whole = |text: String| Response::new(Full::new(Bytes::from(text)).boxed());
    Ok(match (method, path.as_str()) {
        (Method::POST, "/v1/llm/generations") => {
            let before = seen.lock().unwrap().replace(body.to_vec());
            assert!(before.is_none(), "two submits for one request");
            whole(r#"{"id":"task-1","status":"pending","results":null,"error":null}"#.into())
        }
        (Method::POST, "/v1/files/upload/base64") => {
            whole(r#"{"id":"f","url":"https://files.example/f"}"#.into())
        }
        (Method::GET, "/v1/tasks/task-1") => {
            let result = case.result.clone().expect("the case needs a result.json");
            let result = String::from_utf8(result).unwrap();
            whole(format!(
                r#"{{"id":"task-1","status":"completed","results":[{}]}}"#,
                result.trim()
            ))
        }
        (Method::GET, "/v1/llm/generations/task-1/stream") => {
            let stream = case.stream.clone().expect("the case needs a stream.txt");
            let split = case.split.min(stream.len().max(1));
            let pieces: Vec<_> = stream
                .chunks(split)
                .map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))))
                .collect();
            let mut response = Response::new(StreamBody::new(stream::iter(pieces)).boxed());
            response
                .headers_mut()
                .insert("content-type", "text/event-stream".parse().unwrap());
            response
        }
        (method, path) => panic!("{method} {path} is not FoxAPI's"),
    })
}
