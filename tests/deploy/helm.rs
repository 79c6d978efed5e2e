//! The chart: by itself with several sets of values, and as a sidecar in somebody else's.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    kubernetes::{containers, faults, list, of_kind, validate},
    tools::{Said, copy_folder, copy_of, files, helm, here, plant, read, root, run, yaml},
};

const CHART: &str = "deploy/helm/foxbridge";

#[test]
fn lint_is_content() {
    for values in value_sets() {
        lint(&chart(), values.as_deref()).accepts();
    }
}

#[test]
fn every_set_of_values_makes_what_kubernetes_takes() {
    let mut kinds = Vec::new();
    for (name, objects) in renderings() {
        validate(&objects).accepts();
        assert_eq!(faults(&objects), Vec::<String>::new(), "{name}");
        kinds.extend(objects.iter().map(|object| object["kind"].clone()));
    }
    // Whatever the chart has a template of was rendered by some set.
    for kind in [
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PrometheusRule",
        "ServiceMonitor",
    ] {
        assert!(kinds.contains(&Value::from(kind)), "{kind}");
    }
}

#[test]
fn what_is_switched_off_is_not_there() {
    let objects = rendered("least");
    let kinds: Vec<&Value> = objects.iter().map(|object| &object["kind"]).collect();
    assert_eq!(kinds, ["ConfigMap", "Service", "Deployment"]);
    let text = serde_json::to_string(&objects).unwrap();
    assert!(!text.contains("secret"), "{text}");

    let objects = rendered("settings-only");
    let kinds: Vec<&Value> = objects.iter().map(|object| &object["kind"]).collect();
    assert_eq!(kinds, ["ConfigMap"]);
}

#[test]
fn rules_and_dashboard_are_those_of_deploy() {
    let objects = rendered("everything");
    let rule = of_kind(&objects, "PrometheusRule").next().unwrap();
    let alerts = yaml(&read("deploy/prometheus/alerts.yaml")).remove(0);
    assert_eq!(rule["spec"], alerts);
    let dashboard = of_kind(&objects, "ConfigMap")
        .find_map(|map| map["data"]["foxbridge.json"].as_str())
        .unwrap();
    let dashboard: Value = serde_json::from_str(dashboard).unwrap();
    let original: Value = serde_json::from_str(&read("deploy/grafana/foxbridge.json")).unwrap();
    assert_eq!(dashboard, original);
}

#[test]
fn another_chart_has_it_as_a_sidecar() {
    let objects = application();
    validate(&objects).accepts();
    assert_eq!(faults(&objects), Vec::<String>::new());
    let deployments: Vec<&Value> = of_kind(&objects, "Deployment").collect();
    assert_eq!(deployments.len(), 1);
    let pod = &deployments[0]["spec"]["template"]["spec"];
    let first = &list(&pod["initContainers"])[0];
    assert_eq!(
        (&first["name"], &first["restartPolicy"]),
        (&"foxbridge".into(), &"Always".into())
    );
    assert_eq!(containers(pod).count(), 2);
}

#[test]
fn wrong_values_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let values = folder.path().join("values.yaml");
    for (wrong, said) in [
        ("replica: 3", "replica"),
        ("replicas: three", "integer"),
        ("image: {digest: latest}", "digest"),
        ("service: {port: 70000}", "65,535"),
        ("tls: {secretname: tls}", "secretname"),
        (
            "env: [{name: FOXBRIDGE_UPSTREAM_API_KEY, value: sk-1}]",
            "not",
        ),
        ("ledger: {redis: {url: \"redis://:geheim@redis\"}}", "url"),
        (
            "ledger: {file: true, redis: {url: \"redis://redis\"}}",
            "set one of them",
        ),
        (
            "autoscaling: {enabled: true, targetCPUUtilizationPercentage: 0}",
            "autoscaling needs",
        ),
    ] {
        fs::write(&values, wrong).unwrap();
        template(&chart(), Some(&values)).rejects(said);
    }
}

#[test]
fn mistakes_in_templates_are_caught() {
    let copy = copy_of(CHART);
    plant(
        &copy.path().join("templates/service.yaml"),
        "{{- end }}",
        "",
    );
    lint(copy.path(), None).rejects("service.yaml");

    let copy = copy_of(CHART);
    plant(
        &copy.path().join("Chart.yaml"),
        "version: 0.1.0",
        "version: one",
    );
    lint(copy.path(), None).rejects("version");

    let copy = copy_of(CHART);
    let everything = here().join("values/everything.yaml");
    let planted = |file: &str, right: &str, wrong: &str| {
        let file = copy.path().join("templates").join(file);
        let before = fs::read_to_string(&file).unwrap();
        plant(&file, right, wrong);
        let objects = yaml(&template(copy.path(), Some(&everything)).accepts());
        fs::write(file, before).unwrap();
        objects
    };
    let objects = planted(
        "horizontalpodautoscaler.yaml",
        "maxReplicas:",
        "maximumReplicas:",
    );
    validate(&objects).rejects("maxReplicas' is a required");
    let objects = planted("servicemonitor.yaml", "  endpoints:", "  endpoint:");
    validate(&objects).rejects("FAULT ServiceMonitor");
    let objects = planted("servicemonitor.yaml", "port: admin", "port: metrics");
    assert!(faults(&objects).join("\n").contains("ServiceMonitor"));
    let objects = planted("../files/alerts.yaml", "for: 12m", "for: [12m]");
    validate(&objects).rejects("FAULT PrometheusRule");
}

#[test]
fn no_value_is_without_use() {
    let templates: String = files(&chart().join("templates"))
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let values = yaml(&read(&format!("{CHART}/values.yaml"))).remove(0);
    let schema: Value =
        serde_json::from_str(&read(&format!("{CHART}/values.schema.json"))).unwrap();
    for name in values.as_object().unwrap().keys() {
        assert!(
            templates.contains(&format!(".Values.{name}")),
            "{name} is used nowhere"
        );
        assert!(
            !schema["properties"][name].is_null(),
            "{name} is not in the schema"
        );
    }
}

/// The objects of every set of values, the defaults and somebody else's chart among them.
pub(crate) fn renderings() -> Vec<(String, Vec<Value>)> {
    let mut all: Vec<(String, Vec<Value>)> = value_sets()
        .into_iter()
        .map(|values| {
            let name = values
                .as_deref()
                .map_or("defaults".into(), |path| path.display().to_string());
            let text = template(&chart(), values.as_deref()).accepts();
            (name, yaml(&without_log(&text)))
        })
        .collect();
    all.push(("sidecar".to_owned(), application()));
    all
}

fn rendered(values: &str) -> Vec<Value> {
    let values = here().join(format!("values/{values}.yaml"));
    yaml(&without_log(&template(&chart(), Some(&values)).accepts()))
}

fn application() -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&here().join("application"), folder.path());
    copy_folder(&chart(), &folder.path().join("charts/foxbridge"));
    lint(folder.path(), None).accepts();
    yaml(&template(folder.path(), None).accepts())
}

fn chart() -> PathBuf {
    root().join(CHART)
}

fn value_sets() -> Vec<Option<PathBuf>> {
    let sets = files(&here().join("values")).into_iter().map(Some);
    std::iter::once(None).chain(sets).collect()
}

fn lint(chart: &Path, values: Option<&Path>) -> Said {
    with(helm().args(["lint", "--strict"]).arg(chart), values)
}

fn template(chart: &Path, values: Option<&Path>) -> Said {
    with(helm().args(["template", "team"]).arg(chart), values)
}

fn with(command: &mut std::process::Command, values: Option<&Path>) -> Said {
    if let Some(values) = values {
        command.arg("--values").arg(values);
    }
    run(command, "")
}

/// Helm says on standard error that it has followed the chart's two links.
fn without_log(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with("level=INFO msg=\"found symbolic link"))
        .flat_map(|line| [line, "\n"])
        .collect()
}
