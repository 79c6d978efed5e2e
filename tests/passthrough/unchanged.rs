use foxbridge::simulator::{self, Simulator};
use hyper::{Method, Response, StatusCode, header::HeaderValue};

use crate::harness::{Client, KEY, piece, pieces, proxy, request, start, text, whole};

#[tokio::test]
async fn a_request_and_its_reply_pass_as_they_are_but_for_what_is_of_one_hop() {
    let (address, mut upstream) = start(|_| ()).await;
    let mut client = Client::connect(address).await;
    let mut sent = request(
        Method::PATCH,
        "/v1/files/a%20b?purpose=x%26y&empty=&z",
        whole("\0\u{1}bytes"),
    );
    for (name, value) in [
        ("content-type", "application/x-own"),
        ("content-encoding", "gzip"),
        ("accept-encoding", "br"),
        ("user-agent", "own/1"),
        ("cookie", "session=1"),
        ("connection", "x-mine"),
        ("x-mine", "1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-request-id", "mine-1"),
    ] {
        sent.headers_mut()
            .append(name, HeaderValue::from_static(value));
    }
    let reply = client.begin(sent);

    let exchange = upstream.next().await;
    let (head, body) = exchange.request.into_parts();
    assert_eq!(head.method, Method::PATCH);
    assert_eq!(head.uri, "/v1/files/a%20b?purpose=x%26y&empty=&z");
    let mut headers: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            "accept-encoding: br".to_owned(),
            format!("authorization: Bearer {KEY}"),
            "content-encoding: gzip".into(),
            "content-length: 7".into(),
            "content-type: application/x-own".into(),
            format!("host: {}", upstream.address),
            "user-agent: own/1".into(),
            "via: 1.1 foxbridge".into(),
            "x-request-id: mine-1".into(),
        ]
    );
    assert_eq!(text(Response::new(body)).await, "\0\u{1}bytes");

    let answered = Response::builder()
        .status(418)
        .header("content-type", "text/x-own")
        .header("set-cookie", "a=1")
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .header("x-reflected", format!("Bearer {KEY}"))
        .header("x-request-id", "theirs")
        .header("x-two", "1")
        .header("x-two", "2")
        .body(whole("<short and stout>"));
    exchange.reply.send(answered.unwrap()).unwrap();
    let reply = reply.await.unwrap();
    assert_eq!(reply.status(), 418);
    let mut names: Vec<_> = reply
        .headers()
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "content-length",
            "content-type",
            "date",
            "x-request-id",
            "x-two",
            "x-two"
        ]
    );
    assert_eq!(reply.headers()["x-request-id"], "mine-1");
    assert_eq!(reply.headers()["content-type"], "text/x-own");
    assert_eq!(text(reply).await, "<short and stout>");
}

#[tokio::test]
async fn without_a_configured_key_the_callers_goes_upstream() {
    let (address, mut upstream) = start(|config| config.upstream.api_key = None).await;
    let mut client = Client::connect(address).await;
    let reply = client.begin(request(Method::GET, "/v1/files/", whole("")));
    let exchange = upstream.next().await;
    assert_eq!(
        exchange.request.headers()["authorization"],
        "Bearer sk-caller"
    );
    exchange.reply.send(Response::new(whole("[]"))).unwrap();
    assert_eq!(text(reply.await.unwrap()).await, "[]");

    let mut keyless = request(Method::GET, "/v1/files/", whole(""));
    keyless.headers_mut().remove("authorization");
    assert_eq!(client.send(keyless).await.status(), 401);
    upstream.assert_untouched();
}

#[tokio::test]
async fn a_redirect_is_passed_on_and_not_followed() {
    let (address, mut upstream) = start(|_| ()).await;
    let mut client = Client::connect(address).await;
    let reply = client.begin(request(Method::GET, "/v1/files/f", whole("")));
    let location = format!("http://{}/v1/files/other", upstream.address);
    let redirect = Response::builder()
        .status(307)
        .header("location", &location)
        .body(whole(""));
    upstream.next().await.reply.send(redirect.unwrap()).unwrap();
    let reply = reply.await.unwrap();
    assert_eq!(reply.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(reply.headers()["location"], location.as_str());
    upstream.assert_untouched();
}

#[tokio::test]
async fn replies_without_a_body_keep_their_headers() {
    let (address, mut upstream) = start(|_| ()).await;
    let mut client = Client::connect(address).await;
    for (method, status, length) in [
        (Method::HEAD, 200, Some("12345")),
        (Method::GET, 304, None),
        (Method::DELETE, 204, None),
    ] {
        let reply = client.begin(request(method.clone(), "/v1/files/f", whole("")));
        let exchange = upstream.next().await;
        assert_eq!(exchange.request.method(), method);
        let mut answered = Response::builder().status(status).header("etag", "\"1\"");
        if let Some(length) = length {
            answered = answered.header("content-length", length);
        }
        exchange
            .reply
            .send(answered.body(whole("")).unwrap())
            .unwrap();
        let reply = reply.await.unwrap();
        assert_eq!(
            (reply.status().as_u16(), &reply.headers()["etag"]),
            (status, &HeaderValue::from_static("\"1\""))
        );
        let told = reply.headers().get("content-length");
        assert_eq!(
            told.map(|length| length.to_str().unwrap()),
            length,
            "{method}"
        );
        assert_eq!(text(reply).await, "");
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_passes_even_with_a_get() {
    let (address, mut upstream) = start(|_| ()).await;
    for method in [Method::GET, Method::POST] {
        let mut client = Client::connect(address).await;
        let (pieces, body) = pieces();
        let mut sent = request(method, "/v1/embeddings", body);
        let chunked = HeaderValue::from_static("chunked");
        sent.headers_mut().insert("transfer-encoding", chunked);
        let reply = client.begin(sent);
        pieces.send(piece(b"one ")).await.unwrap();
        pieces.send(piece(b"two")).await.unwrap();
        drop(pieces);
        let exchange = upstream.next().await;
        assert_eq!(
            text(Response::new(exchange.request.into_body())).await,
            "one two"
        );
        exchange.reply.send(Response::new(whole("ok"))).unwrap();
        assert_eq!(text(reply.await.unwrap()).await, "ok");
    }
}

#[tokio::test]
async fn the_simulators_own_paths_can_be_used_through_the_proxy() {
    let simulator = Simulator::start(simulator::Settings::instant())
        .await
        .unwrap();
    let upstream = simulator.base_url()["http://".len()..].parse().unwrap();
    let address = proxy(upstream, |_| ()).await;
    let mut client = Client::connect(address).await;

    let file = r#"{"file_data":"Zm94","file_name":"a.txt"}"#;
    let mut upload = request(Method::POST, "/v1/files/upload/base64", whole(file));
    let json = HeaderValue::from_static("application/json");
    upload.headers_mut().insert("content-type", json);
    let reply = client.send(upload).await;
    assert_eq!(reply.status(), 200);
    assert!(text(reply).await.contains(r#""filename":"a.txt""#));

    let unknown = request(Method::GET, "/v1/tasks/nobodys", whole(""));
    let reply = client.send(unknown).await;
    assert_eq!(reply.status(), 404);
    assert!(text(reply).await.contains("not_found"));
    let seen = simulator.journal().requests;
    assert_eq!(seen.len(), 2);
    assert_eq!(&seen[0].body[..], file.as_bytes());
}
