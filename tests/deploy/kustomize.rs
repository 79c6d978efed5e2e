//! The base and the sidecar component, rendered by kubectl's own Kustomize.

use std::path::Path;

use serde_json::Value;

use crate::{
    kubernetes::{containers, faults, list, of_kind, validate},
    tools::{Said, copy_of, kubectl, plant, root, run, yaml},
};

const FOLDER: &str = "deploy/kubernetes";

#[test]
fn base_and_sidecar_are_what_kubernetes_takes() {
    for folder in ["base", "example-sidecar"] {
        let objects = rendered(folder);
        validate(&objects).accepts();
        assert_eq!(faults(&objects), Vec::<String>::new(), "{folder}");
    }
}

#[test]
fn the_base_has_every_part() {
    let objects = rendered("base");
    for kind in [
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    ] {
        assert_eq!(of_kind(&objects, kind).count(), 1, "{kind}");
    }
    let account = of_kind(&objects, "ServiceAccount").next().unwrap();
    assert_eq!(account["automountServiceAccountToken"], false);
}

#[test]
fn the_sidecar_comes_first_and_leaves_the_rest_alone() {
    let objects = rendered("example-sidecar");
    let deployment = of_kind(&objects, "Deployment").next().unwrap();
    assert_eq!(deployment["metadata"]["name"], "application");
    let pod = &deployment["spec"]["template"]["spec"];
    let names: Vec<&Value> = containers(pod)
        .map(|container| &container["name"])
        .collect();
    assert_eq!(names, ["foxbridge", "migrate", "application"]);
    assert_eq!(list(&pod["initContainers"])[0]["restartPolicy"], "Always");
}

#[test]
fn a_deployment_without_the_label_gets_no_sidecar() {
    let copy = copy_of(FOLDER);
    let application = copy.path().join("example-sidecar/application.yaml");
    plant(
        &application,
        "foxbridge-sidecar: \"true\"",
        "another: label",
    );
    let said = kustomize(&copy.path().join("example-sidecar"));
    // Kustomize refuses a patch without a target, or leaves the Deployment as it is.
    let text = said.text;
    assert!(
        !said.content || !text.contains("restartPolicy: Always"),
        "{text}"
    );
}

#[test]
fn mistakes_are_caught() {
    let copy = copy_of(FOLDER);
    let (base, sidecar) = (copy.path().join("base"), copy.path().join("sidecar"));
    plant(
        &base.join("deployment.yaml"),
        "readinessProbe:",
        "readynessProbe:",
    );
    validate(&yaml(&kustomize(&base).accepts())).rejects("readynessProbe");

    let copied = copy_of(FOLDER);
    plant(
        &copied.path().join("base/service.yaml"),
        "port: 8080",
        "port: eighty",
    );
    validate(&yaml(&kustomize(&copied.path().join("base")).accepts())).rejects("eighty");

    plant(
        &sidecar.join("sidecar.yaml"),
        "restartPolicy: Always",
        "restartPolicy: [Always]",
    );
    let example = copy.path().join("example-sidecar");
    validate(&yaml(&kustomize(&example).accepts())).rejects("restartPolicy");

    plant(
        &base.join("kustomization.yaml"),
        "- service.yaml",
        "- services.yaml",
    );
    kustomize(&base).rejects("services.yaml");
}

#[test]
fn what_no_definition_says_is_caught_too() {
    let right = rendered("base");
    let spoiled = |kind: &str, pointer: &str, value: Value| {
        let mut objects = right.clone();
        let object = objects.iter_mut().find(|object| object["kind"] == kind);
        *object.unwrap().pointer_mut(pointer).expect(pointer) = value;
        faults(&objects).join("\n")
    };
    let everybody = serde_json::json!({});
    for (kind, pointer, value, said) in [
        (
            "NetworkPolicy",
            "/spec/podSelector",
            everybody.clone(),
            "NetworkPolicy",
        ),
        (
            "PodDisruptionBudget",
            "/spec/selector",
            everybody,
            "PodDisruptionBudget",
        ),
        (
            "Service",
            "/spec/ports/0/targetPort",
            "web".into(),
            "no container has the port",
        ),
        (
            "ConfigMap",
            "/metadata/name",
            "other".into(),
            "no ConfigMap",
        ),
        (
            "ServiceAccount",
            "/metadata/name",
            "other".into(),
            "no ServiceAccount",
        ),
        (
            "Deployment",
            "/spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem",
            false.into(),
            "not confined",
        ),
    ] {
        let found = spoiled(kind, pointer, value);
        assert!(found.contains(said), "{kind}{pointer}: {found:?}");
    }
}

pub(crate) fn rendered(folder: &str) -> Vec<Value> {
    yaml(&kustomize(&root().join(FOLDER).join(folder)).accepts())
}

fn kustomize(folder: &Path) -> Said {
    run(kubectl().arg("kustomize").arg(folder), "")
}
