//! Redis as operators run it: behind TLS and a user's rights, as a Cluster, with sentinels.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;

use crate::{
    harness::{Fleet, Replica, again, scripted, until},
    http::{Answer, Request},
    server::{Redis, free_port},
};

const LEDGER: &str = "x-foxbridge-ledger";

#[track_caller]
fn found(answer: &Answer, expected: bool) {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.head.header(LEDGER), None);
    let is_found = answer.head.header("x-foxbridge-found") == Some("true");
    assert_eq!(is_found, expected);
}

/// A request with a key of its own, of one of many callers.
fn keyed(caller: usize, key: &str) -> Request {
    let credential = format!("Bearer sk-caller-{caller}-5b2e");
    scripted("words=3", false)
        .with("idempotency-key", key)
        .with("Authorization", &credential)
}

/// What replicas promise, on whichever of them requests land.
async fn assert_shared(fleet: &Fleet, key: &str) {
    let before = fleet.journal().accepted;
    for caller in 0..12 {
        found(&fleet.ask(&keyed(caller, key)).await, false);
        found(&fleet.ask(&keyed(caller, key)).await, true);
        let request = scripted("words=3 first-chunk=1h", true);
        let request = request.with("Authorization", &format!("Bearer sk-{caller}-{key}"));
        let mut left = fleet.replicas[0].send(&request).await;
        assert_eq!(left.head().await.status, 200);
        let mut retry = fleet.replicas[1].send(&again(&request)).await;
        let head = retry.head().await;
        assert_eq!(head.header("x-foxbridge-found"), Some("true"));
    }
    let body = json!({ "model": "gpt-5.5", "input": "count 1 to 3" }).to_string();
    let made = fleet
        .ask(&Request::new("POST", "/v1/responses", body))
        .await;
    let path = format!("/v1/responses/{}", made.json()["id"].as_str().unwrap());
    for replica in &fleet.replicas {
        assert_eq!(replica.ask(&Request::get(&path)).await.status(), 200);
    }
    assert_eq!(fleet.journal().accepted, before + 25);
}

/// PEM of an authority, of a certificate for 127.0.0.1, and of its key.
fn certified() -> [String; 3] {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    [authority.pem(), certificate.pem(), key.serialize_pem()]
}

#[tokio::test]
async fn behind_tls_and_for_a_user_with_few_rights_it_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let [authority, certificate, key] = certified();
    let [stranger, ..] = certified();
    let (authority, certificate, key) = (
        file("ca.pem", &authority),
        file("redis.pem", &certificate),
        file("redis.key", &key),
    );
    let port = free_port().to_string();
    let redis = Redis::with(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &authority,
        "--tls-auth-clients",
        "no",
    ]);
    // As docs/operating.md has it.
    redis.ask(&[
        "ACL",
        "SETUSER",
        "foxbridge",
        "on",
        ">very-secret-41d7",
        "~fb:*",
        "-@all",
        "+@scripting",
        "+@hash",
        "+@sortedset",
        "+@string",
        "+@keyspace",
        "+@connection",
        "+time",
        "-@dangerous",
    ]);
    let password = file("password", "very-secret-41d7\n");
    let store = format!("ledger.store=rediss://foxbridge@127.0.0.1:{port}/0");
    let password = format!("ledger.redis_password_file={password}");
    let settings = |authority: &str| {
        [
            store.clone(),
            password.clone(),
            format!("ledger.redis_ca_file={authority}"),
        ]
    };
    let right = settings(&authority);
    let fleet = Fleet::beside(redis, &right.each_ref().map(String::as_str)).await;
    fleet.redis_is(true).await;
    assert_shared(&fleet, "tls").await;

    // Another authority, and no TLS where it is spoken.
    let wrong = settings(&file("stranger.pem", &stranger));
    let wrong = wrong.each_ref().map(String::as_str);
    let plain = format!("ledger.store=redis://foxbridge@127.0.0.1:{port}/0");
    for settings in [&wrong[..], &[&plain, password.as_str()]] {
        let replica = Replica::start(&fleet.simulator.base_url(), settings).await;
        replica.redis_is(false).await;
        let line = replica.logs(&["WARN", "cannot be used", "rediss://"]).await;
        assert!(!line.contains("very-secret"), "{line}");
    }
}

#[tokio::test]
async fn a_cluster_of_three_serves_as_one() {
    let node = || {
        let bus = free_port().to_string();
        Redis::with(&["--cluster-enabled", "yes", "--cluster-port", &bus])
    };
    let mut nodes = [node(), node(), node()];
    for (node, (from, to)) in nodes.iter().zip([(0, 5460), (5461, 10922), (10923, 16383)]) {
        let slots: [u32; 2] = [from, to];
        let [from, to] = slots.map(|slot| slot.to_string());
        node.ask(&["CLUSTER", "ADDSLOTSRANGE", &from, &to]);
    }
    for node in &nodes[1..] {
        let (port, bus) = (
            nodes[0].port.to_string(),
            &nodes[0].argument("--cluster-port"),
        );
        node.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]);
    }
    let is_whole = async |nodes: &[Redis]| {
        nodes.iter().all(|node| {
            let info = node.text(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        })
    };
    until("the cluster is whole", async || is_whole(&nodes).await).await;
    let store = format!(
        "ledger.store=redis://127.0.0.1:{},127.0.0.1:{}",
        nodes[0].port, nodes[1].port
    );
    let settings = [store.as_str(), "ledger.redis_topology=cluster"];
    let mut fleet = Fleet::beside(Redis::start(), &settings).await;
    fleet.redis_is(true).await;
    assert_shared(&fleet, "cluster").await;
    for node in &nodes {
        let own: Vec<String> = node.texts(&["KEYS", "fb:*"]);
        assert!(!own.is_empty(), "callers are spread over all nodes");
    }

    // A node that is lost takes its callers' rows along; the fleet says so, goes on, and heals.
    nodes[2].kill();
    let mut next = 0;
    let mut ask = async |fleet: &Fleet| {
        next += 1;
        fleet.ask(&keyed(next % 24, &format!("lost-{next}"))).await
    };
    until("a request goes on without Redis", async || {
        let answer = ask(&fleet).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.head.header(LEDGER) == Some("unavailable")
    })
    .await;
    nodes[2].start_again();
    until("the cluster is whole again", async || {
        is_whole(&nodes).await
    })
    .await;
    fleet.redis_is(true).await;
    until("requests are noted again", async || {
        ask(&fleet).await.head.header(LEDGER).is_none()
    })
    .await;
    assert_shared(&fleet, "again").await;
    fleet.replicas.clear();
}

#[tokio::test]
async fn sentinels_say_who_the_master_is_also_when_that_dies() {
    let mut master = Redis::start();
    let port = master.port.to_string();
    let second = Redis::with(&["--replicaof", "127.0.0.1", &port]);
    until("it is replicated", async || {
        second
            .text(&["INFO", "replication"])
            .contains("master_link_status:up")
    })
    .await;
    let sentinel = Redis::sentinel("foxes", master.port);
    until("the sentinel knows both", async || {
        sentinel.text(&["INFO", "sentinel"]).contains("slaves=1")
    })
    .await;
    let store = format!("ledger.store=redis://127.0.0.1:{}", sentinel.port);
    let settings = [store.as_str(), "ledger.redis_topology=sentinel:foxes"];
    let fleet = Fleet::beside(Redis::start(), &settings).await;
    fleet.redis_is(true).await;
    assert_shared(&fleet, "one").await;
    until("all is replicated", async || {
        second.texts(&["KEYS", "fb:*"]).len() == master.texts(&["KEYS", "fb:*"]).len()
    })
    .await;
    master.kill();
    fleet.redis_is(false).await;
    fleet.redis_is(true).await;
    // What was known before is known to the new master.
    found(&fleet.ask(&keyed(3, "one")).await, true);
    assert_shared(&fleet, "two").await;
}
