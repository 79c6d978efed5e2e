//! The floor: what any gateway on hyper must spend, and nothing else.
//!
//! One thread. It collects the request's body and submits it as it came, finds the task's id in the reply by a text
//! search, and then makes one more call: for `"stream":true` it opens the task's stream and hands its body to the
//! server as it is, frame for frame, without looking into it (events are not reframed, there is no `[DONE]`, nothing
//! is counted); otherwise it queries the task once, reads the reply whole, and answers with the bytes of the task object.
//! It keeps no log, has no time limits and retries nothing.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use memchr::memmem;
use tokio::net::TcpListener;

use crate::{Fault, words};

type Pool = Client<HttpConnector, Full<Bytes>>;
type Body = Either<Incoming, Full<Bytes>>;

/// Serves until it is killed, and says on standard output where.
pub(crate) async fn serve(upstream: SocketAddr) -> Result<(), Fault> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    crate::process::tell_address(listener.local_addr()?)?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let pool: Pool = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let pool = pool.clone();
        let service = service_fn(move |request| {
            let pool = pool.clone();
            async move { relay(&pool, upstream, request).await }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

async fn relay(
    pool: &Pool,
    upstream: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, Fault> {
    let body = request.into_body().collect().await?.to_bytes();
    let streams = memmem::find(&body, br#""stream":true"#).is_some();
    let submit = Request::post(format!("http://{upstream}/v1/llm/generations"))
        .header("authorization", "Bearer sk-bench")
        .header("content-type", "application/json")
        .body(Full::new(body))?;
    let task = pool.request(submit).await?.collect().await?.to_bytes();
    let id = words::id_of(&task)?;
    let path = match streams {
        true => format!("http://{upstream}/v1/llm/generations/{id}/stream"),
        false => format!("http://{upstream}/v1/tasks/{id}"),
    };
    let call = Request::get(path)
        .header("authorization", "Bearer sk-bench")
        .body(Full::default())?;
    let reply = pool.request(call).await?;
    if streams {
        let events = Response::builder().header("content-type", "text/event-stream");
        return Ok(events.body(Either::Left(reply.into_body()))?);
    }
    let result = reply.collect().await?.to_bytes();
    let answer = Response::builder().header("content-type", "application/json");
    Ok(answer.body(Either::Right(Full::new(result)))?)
}
