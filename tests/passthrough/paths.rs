use hyper::Method;

use crate::harness::{Client, code, request, start, text, whole};

#[tokio::test]
async fn no_other_path_and_no_way_around_reaches_the_upstream() {
    let (address, mut upstream) = start(|_| ()).await;
    let mut client = Client::connect(address).await;
    for path in [
        "/v1/images",
        "/v1/embeddings/",
        "/v1/files",
        "/v1/files/../llm/generations",
        "/v1/files/%2e%2e/llm/generations",
        "/v1/files/..%2fllm%2fgenerations",
        "/v1/files/%252e%252e%252fllm/generations",
        "/v1%2ffiles/x",
        "//v1/files/x",
    ] {
        let reply = client.send(request(Method::GET, path, whole(""))).await;
        assert_eq!(reply.status(), 404, "{path}");
        let text = text(reply).await;
        assert!(
            text.contains("POST /v1/chat/completions")
                && text.contains("/v1/files/*, /v1/embeddings"),
            "{text}"
        );
    }
    upstream.assert_untouched();
}

#[tokio::test]
async fn a_trace_would_show_the_key() {
    let (address, mut upstream) = start(|_| ()).await;
    let mut client = Client::connect(address).await;
    let reply = client
        .send(request(Method::TRACE, "/v1/files/f", whole("")))
        .await;
    assert_eq!(reply.status(), 405);
    assert!(!reply.headers()["allow"].to_str().unwrap().contains("TRACE"));
    assert_eq!(code(reply).await, "method_not_allowed");
    upstream.assert_untouched();
}

#[tokio::test]
async fn nothing_is_relayed_unless_it_is_listed() {
    let (address, mut upstream) = start(|config| config.server.passthrough.clear()).await;
    let mut client = Client::connect(address).await;
    let reply = client
        .send(request(Method::GET, "/v1/embeddings", whole("")))
        .await;
    assert_eq!(reply.status(), 404);
    assert!(!text(reply).await.contains("relayed"));
    upstream.assert_untouched();
}
