//! The Dockerfile and the compose file.

use std::{fs, path::Path};

use serde_json::Value;

use crate::tools::{Said, plant, python_tool, read, root, run, yaml};

const DOCKERFILE: &str = "deploy/Dockerfile";
const COMPOSE: &str = "deploy/compose.yaml";

#[test]
fn hadolint_accepts_the_dockerfile() {
    hadolint(&read(DOCKERFILE)).accepts();
}

#[test]
fn hadolint_catches_mistakes() {
    let right = read(DOCKERFILE);
    for (from, to, rule) in [
        ("USER 65532", "USER root", "DL3002"),
        ("rust:1.90-slim-bookworm", "rust", "DL3006"),
        ("COPY . .", "ADD . .", "DL3020"),
        ("RUN cargo", "RUN cd /src && cargo", "DL3003"),
        ("WORKDIR /src", "WORKDIR src", "DL3000"),
    ] {
        assert!(right.contains(from), "{from}");
        hadolint(&right.replacen(from, to, 1)).rejects(rule);
    }
}

#[test]
fn the_image_checks_its_health_without_a_shell_and_is_not_root() {
    let text = read(DOCKERFILE);
    assert!(text.contains(r#"CMD ["/usr/local/bin/foxbridge", "healthcheck"]"#));
    assert!(text.contains("\nUSER 65532\n"));
}

#[test]
fn the_compose_file_is_one() {
    compose(&root().join(COMPOSE)).accepts();
}

#[test]
fn a_faulty_compose_file_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("compose.yaml");
    fs::copy(root().join(COMPOSE), &copy).unwrap();
    plant(&copy, "read_only: true", "readonly: true");
    compose(&copy).rejects("readonly");
}

#[test]
fn every_composed_container_is_confined() {
    let document = yaml(&read(COMPOSE)).remove(0);
    let services = document["services"].as_object().unwrap();
    assert!(!services.is_empty());
    for (name, service) in services {
        assert!(is_confined(service), "{name}: {service}");
        for port in service["ports"].as_array().unwrap() {
            let port = port.as_str().unwrap();
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port}");
        }
    }
    let mut loose = services["foxbridge"].clone();
    loose["cap_drop"] = Value::Array(Vec::new());
    assert!(!is_confined(&loose));
}

fn is_confined(service: &Value) -> bool {
    service["read_only"] == true
        && service["cap_drop"] == serde_json::json!(["ALL"])
        && service["security_opt"] == serde_json::json!(["no-new-privileges:true"])
}

fn hadolint(text: &str) -> Said {
    let mut hadolint = python_tool("hadolint");
    run(hadolint.args(["--failure-threshold", "style", "-"]), text)
}

fn compose(file: &Path) -> Said {
    let mut check = python_tool("check-jsonschema");
    check.args(["--builtin-schema", "vendor.compose-spec"]);
    run(check.arg(file), "")
}
