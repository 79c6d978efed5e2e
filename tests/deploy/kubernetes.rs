//! What is asked of Kubernetes objects, whoever rendered them.

use std::fs;

use serde_json::Value;

use crate::tools::{Said, node, python_tool, run};

/// The oldest with native sidecars by default, and the newest that the validator knows.
pub(crate) const VERSIONS: [&str; 2] = ["1.29.0", "1.37.0"];

/// Kinds that are not Kubernetes' own.
const OPERATOR: &str = "monitoring.coreos.com/v1";

/// Every object is what its kind's definition says, to the letter.
pub(crate) fn validate(objects: &[Value]) -> Said {
    let (foreign, own): (Vec<&Value>, Vec<&Value>) = objects
        .iter()
        .partition(|object| object["apiVersion"] == OPERATOR);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("objects.yaml");
    // JSON is YAML.
    let texts: Vec<String> = own.iter().map(ToString::to_string).collect();
    fs::write(&file, texts.join("\n---\n")).unwrap();
    let mut all = Said {
        content: true,
        text: String::new(),
    };
    for version in VERSIONS {
        let mut validator = python_tool("kubernetes-validate");
        validator.args(["--strict", "--kubernetes-version", version]);
        let said = run(validator.arg(&file), "");
        // What it has no definition of, it passes over with a warning.
        let passed = said.text.matches(" passed for resource ").count();
        all.content &= said.content && passed == own.len();
        all.text += &said.text;
    }
    if !foreign.is_empty() {
        let said = node(
            "operator_kinds.mjs",
            &serde_json::to_string(&foreign).unwrap(),
        );
        all.content &= said.content;
        all.text += &said.text;
    }
    all
}

/// What no definition says: selectors that miss their pods, ports without a name, names that lead nowhere.
pub(crate) fn faults(objects: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    for deployment in of_kind(objects, "Deployment") {
        let pod = &deployment["spec"]["template"];
        let labels = &pod["metadata"]["labels"];
        let mut check = |who: &str, selector: &Value| {
            if !selects(selector, labels) {
                faults.push(format!("{who}: {selector} is not on the pods {labels}"));
            }
        };
        check("Deployment", &deployment["spec"]["selector"]["matchLabels"]);
        for service in of_kind(objects, "Service") {
            check("Service", &service["spec"]["selector"]);
        }
        for budget in of_kind(objects, "PodDisruptionBudget") {
            check(
                "PodDisruptionBudget",
                &budget["spec"]["selector"]["matchLabels"],
            );
        }
        for policy in of_kind(objects, "NetworkPolicy") {
            check(
                "NetworkPolicy",
                &policy["spec"]["podSelector"]["matchLabels"],
            );
        }
        let ports = port_names(pod);
        for service in of_kind(objects, "Service") {
            for port in list(&service["spec"]["ports"]) {
                if !ports.contains(&&port["targetPort"]) {
                    faults.push(format!(
                        "Service: no container has the port {}",
                        port["targetPort"]
                    ));
                }
            }
        }
        for policy in of_kind(objects, "NetworkPolicy") {
            for rule in list(&policy["spec"]["ingress"]) {
                for port in list(&rule["ports"]) {
                    if !ports.contains(&&port["port"]) {
                        faults.push(format!(
                            "NetworkPolicy: no container has the port {}",
                            port["port"]
                        ));
                    }
                }
                if list(&rule["from"]).is_empty() {
                    faults.push("NetworkPolicy: lets in everybody".to_owned());
                }
            }
        }
        faults.extend(pod_faults(objects, &pod["spec"]));
    }
    for monitor in of_kind(objects, "ServiceMonitor") {
        let selector = &monitor["spec"]["selector"]["matchLabels"];
        let found: Vec<&Value> = of_kind(objects, "Service")
            .filter(|service| selects(selector, &service["metadata"]["labels"]))
            .collect();
        for endpoint in list(&monitor["spec"]["endpoints"]) {
            let has = |service: &&Value| {
                list(&service["spec"]["ports"])
                    .iter()
                    .any(|port| port["name"] == endpoint["port"])
            };
            if found.len() != 1 || !found.iter().all(has) {
                faults.push(format!(
                    "ServiceMonitor: no one Service with {}",
                    endpoint["port"]
                ));
            }
        }
    }
    faults
}

fn pod_faults(objects: &[Value], pod: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let volumes: Vec<&Value> = list(&pod["volumes"])
        .iter()
        .map(|volume| &volume["name"])
        .collect();
    for volume in list(&pod["volumes"]) {
        let name = &volume["configMap"]["name"];
        let is_there = of_kind(objects, "ConfigMap").any(|map| map["metadata"]["name"] == *name);
        if !name.is_null() && !is_there {
            faults.push(format!("no ConfigMap {name}"));
        }
    }
    let account = &pod["serviceAccountName"];
    let is_there =
        of_kind(objects, "ServiceAccount").any(|one| one["metadata"]["name"] == *account);
    if !account.is_null() && account != "default" && !is_there {
        faults.push(format!("no ServiceAccount {account}"));
    }
    for container in containers(pod).filter(|container| container["name"] == "foxbridge") {
        for mount in list(&container["volumeMounts"]) {
            if !volumes.contains(&&mount["name"]) {
                faults.push(format!("no volume {}", mount["name"]));
            }
        }
        let ports: Vec<&Value> = list(&container["ports"])
            .iter()
            .map(|port| &port["name"])
            .collect();
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let port = &container[probe]["httpGet"]["port"];
            if !port.is_null() && !ports.contains(&port) {
                faults.push(format!("{probe}: no port {port}"));
            }
        }
        let context = &container["securityContext"];
        let is_confined = context["readOnlyRootFilesystem"] == true
            && context["allowPrivilegeEscalation"] == false
            && context["capabilities"]["drop"] == serde_json::json!(["ALL"])
            && (context["runAsNonRoot"] == true || pod["securityContext"]["runAsNonRoot"] == true);
        if !is_confined {
            faults.push(format!("not confined: {context}"));
        }
    }
    faults
}

/// Containers that stay, and those that come before them.
pub(crate) fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    list(&pod["initContainers"])
        .iter()
        .chain(list(&pod["containers"]))
}

pub(crate) fn of_kind<'a>(objects: &'a [Value], kind: &str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// An empty selector takes every pod of the namespace, which is never meant here.
fn selects(selector: &Value, labels: &Value) -> bool {
    selector.as_object().is_some_and(|pairs| {
        !pairs.is_empty() && pairs.iter().all(|(key, value)| labels[key] == *value)
    })
}

fn port_names(pod: &Value) -> Vec<&Value> {
    containers(&pod["spec"])
        .flat_map(|container| list(&container["ports"]))
        .map(|port| &port["name"])
        .collect()
}
