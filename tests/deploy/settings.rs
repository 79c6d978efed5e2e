//! What each artifact sets is what foxbridge takes, and the time that each gives it to stop is enough.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{
    helm,
    kubernetes::{containers, list, of_kind},
    kustomize,
    tools::{Said, read, root, run, yaml},
};

#[test]
fn what_kubernetes_objects_set_is_taken() {
    let mut all = helm::renderings();
    all.extend(
        ["base", "example-sidecar"].map(|name| (name.to_owned(), kustomize::rendered(name))),
    );
    for (name, objects) in all {
        for deployment in of_kind(&objects, "Deployment") {
            let pod = &deployment["spec"]["template"]["spec"];
            let container = containers(pod)
                .find(|one| one["name"] == "foxbridge")
                .unwrap();
            let said = in_force(&toml_of(&objects), &variables(container)).accepts();
            let setting = |name: &str| setting(&said, name);
            let listens = |name: &str, port: &str| {
                let ports = list(&container["ports"]).iter();
                let known = ports.map(|port| &port["containerPort"]).collect::<Vec<_>>();
                let port: Value = setting(port)
                    .rsplit_once(':')
                    .unwrap()
                    .1
                    .parse::<u64>()
                    .unwrap()
                    .into();
                assert!(known.contains(&&port), "{name} {port}: {known:?}");
            };
            listens(&name, "admin.listen");
            // A sidecar is on loopback, and stops when its application has gone.
            if setting("listen").starts_with("127.0.0.1") {
                continue;
            }
            listens(&name, "listen");
            let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
            assert!(
                Duration::from_secs(grace) > stop(&said),
                "{name}: {grace}s\n{said}"
            );
        }
    }
}

#[test]
fn what_the_containers_set_is_taken() {
    let image = image_variables();
    assert!(!image.is_empty());
    in_force("", &image).accepts();
    let document = yaml(&read("deploy/compose.yaml")).remove(0);
    let service = &document["services"]["foxbridge"];
    let mut all = image;
    for (name, value) in service["environment"].as_object().unwrap() {
        all.insert(name.clone(), value.as_str().unwrap().to_owned());
    }
    let said = in_force("", &all).accepts();
    let grace = service["stop_grace_period"].as_str().unwrap();
    assert!(duration(grace) > stop(&said));
}

#[test]
fn the_unit_stops_in_time() {
    let unit = read("deploy/foxbridge.service");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("TimeoutStopSec="))
        .unwrap();
    let said = in_force(&read("proxy.toml"), &BTreeMap::new()).accepts();
    assert!(duration(line) > stop(&said));
}

#[test]
fn mistakes_in_settings_are_caught() {
    in_force("[server]\nmax_inflight = 5\n", &BTreeMap::new()).rejects("max_inflight");
    let wrong = BTreeMap::from([("FOXBRIDGE_LISTENS".to_owned(), "0.0.0.0:8080".to_owned())]);
    in_force("", &wrong).rejects("FOXBRIDGE_LISTENS");
}

/// Has foxbridge itself say what the settings come to. What is mounted in a container is put into a folder here.
fn in_force(toml: &str, variables: &BTreeMap<String, String>) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let here = |text: &str| mounted(folder.path(), text);
    let file = folder.path().join("proxy.toml");
    fs::write(&file, here(toml)).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_foxbridge"));
    check.env_clear().args(["check", "--config"]).arg(&file);
    for (name, value) in variables {
        check.env(name, here(value));
    }
    run(check.current_dir(root()), "")
}

fn mounted(folder: &Path, text: &str) -> String {
    let key = folder.join("key");
    fs::write(&key, "sk-deploy\n").unwrap();
    let keys = folder.join("keys.toml");
    fs::write(&keys, "[[key]]\nname = \"main\"\nkey = \"sk-deploy\"\n").unwrap();
    let password = folder.join("password");
    fs::write(&password, "geheim\n").unwrap();
    let (cert, private) = certificate(folder);
    let mut text = text.to_owned();
    for (there, here) in [
        ("/run/secrets/foxapi/keys.toml", &keys),
        ("/run/secrets/foxapi/key", &key),
        ("/run/secrets/foxapi_key", &key),
        ("/run/secrets/redis/password", &password),
        ("/run/secrets/redis/ca.crt", &cert),
        ("/run/secrets/tls/tls.crt", &cert),
        ("/run/secrets/tls/ca.crt", &cert),
        ("/run/secrets/tls/tls.key", &private),
        ("/var/lib/foxbridge/ledger", &folder.join("ledger")),
    ] {
        text = text.replace(there, &here.display().to_string());
    }
    text
}

fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let (cert, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    let made = rcgen::generate_simple_self_signed(vec!["foxbridge".to_owned()]).unwrap();
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (cert, key)
}

fn toml_of(objects: &[Value]) -> String {
    of_kind(objects, "ConfigMap")
        .find_map(|map| map["data"]["proxy.toml"].as_str())
        .unwrap()
        .to_owned()
}

fn variables(container: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list(&container["env"])
        .iter()
        .map(|variable| (text(&variable["name"]), text(&variable["value"])))
        .collect()
}

fn image_variables() -> BTreeMap<String, String> {
    let text = read("deploy/Dockerfile");
    text.split([' ', '\n'])
        .filter(|word| word.starts_with("FOXBRIDGE_"))
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// From the signal to the end, at most.
fn stop(in_force: &str) -> Duration {
    let text = |name| duration(&setting(in_force, name));
    text("server.drain_delay") + text("server.shutdown_grace")
}

/// A setting of what `foxbridge check` prints, which is TOML.
fn setting(in_force: &str, name: &str) -> String {
    let (section, leaf) = name.split_once('.').unwrap_or(("", name));
    let mut here = "";
    for line in in_force.lines() {
        if let Some(header) = line.strip_prefix('[') {
            here = header.split(']').next().unwrap();
        }
        if here == section
            && let Some(value) = line
                .strip_prefix(leaf)
                .and_then(|rest| rest.strip_prefix(" = "))
        {
            return value
                .split('#')
                .next()
                .unwrap()
                .trim()
                .trim_matches('"')
                .to_owned();
        }
    }
    panic!("no {name} in\n{in_force}");
}

/// Seconds and minutes, as Docker, systemd and foxbridge write them; `check` may write "9m 50s".
fn duration(text: &str) -> Duration {
    let seconds = text.split(' ').map(|part| match part.strip_suffix('m') {
        Some(minutes) => minutes.parse::<u64>().unwrap() * 60,
        None => part.trim_end_matches('s').parse().unwrap(),
    });
    Duration::from_secs(seconds.sum())
}
