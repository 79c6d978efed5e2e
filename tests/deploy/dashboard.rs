//! The Grafana dashboard: its layout, and its queries as Prometheus reads them.

use std::{collections::BTreeSet, fmt::Write, fs};

use serde_json::Value;

use crate::{
    prometheus::{METRICS, alerts, check_rules, test_rules},
    tools::{Said, read},
};

const DASHBOARD: &str = "deploy/grafana/foxbridge.json";

#[test]
fn its_panels_are_whole() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(
            ids.insert(panel["id"].as_u64().unwrap()),
            "{title} has the id of another"
        );
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        for x in place("x")..place("x") + place("w") {
            assert!(x < 24, "{title} reaches beyond the edge");
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{title} lies on another");
            }
        }
        if panel["type"] != "row" {
            assert!(
                !panel["description"].as_str().unwrap().is_empty(),
                "{title} explains nothing"
            );
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            assert!(
                !panel["targets"].as_array().unwrap().is_empty(),
                "{title} asks nothing"
            );
        }
    }
}

#[test]
fn its_queries_are_sound_and_find_what_foxbridge_tells() {
    let queries = queries();
    assert!(queries.len() > 30);
    find(&queries).accepts();
}

#[test]
fn mistakes_in_queries_are_caught() {
    let mut queries = queries();
    let number = queries
        .iter()
        .position(|query| query.contains("foxbridge_stream_resumes_total"))
        .unwrap();
    let right = queries[number].clone();
    queries[number] = right.replace(
        "foxbridge_stream_resumes_total",
        "foxbridge_stream_resume_total",
    );
    find(&queries).rejects(&format!("Query{number} "));
    queries[number] = right.replace("sum(", "summ(");
    find(&queries).rejects("unknown function");
    let number = queries
        .iter()
        .position(|query| query.contains("type=~\"input"))
        .unwrap();
    queries = self::queries();
    queries[number] = queries[number].replace("type=~\"input|output\"", "kind=~\"input|output\"");
    find(&queries).rejects(&format!("Query{number} "));
}

#[test]
fn every_metric_is_looked_at() {
    let asked = queries().join("\n")
        + &alerts()
            .into_iter()
            .map(|(_, expr)| expr)
            .collect::<String>();
    for line in read(METRICS).lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split_once(' ').unwrap().0;
            assert!(
                asked.contains(name),
                "neither dashboard nor alerts look at {name}"
            );
        }
    }
}

/// Has promtool evaluate the queries over series like those that foxbridge tells. Each becomes an alert that fires where
/// the query finds nothing, and none may fire.
fn find(queries: &[String]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let alerts = folder.path().join("alerts.yaml");
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    let mut tests =
        String::from("rule_files: [alerts.yaml]\ntests:\n  - interval: 1m\n    input_series:\n");
    for line in read(METRICS).lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let own = r#"job="foxbridge",instance="a:9090""#;
        let series = match series.split_once('{') {
            Some((name, labels)) => format!("{name}{{{own},{labels}"),
            None => format!("{series}{{{own}}}"),
        };
        // They grow, as counters do.
        writeln!(
            tests,
            "      - series: '{series}'\n        values: '{value}+{value}x60'"
        )
        .unwrap();
    }
    tests += "    alert_rule_test:\n";
    for (number, query) in queries.iter().enumerate() {
        let query = serde_json::to_string(&format!("absent({query})")).unwrap();
        writeln!(rules, "      - {{alert: 'Query{number} ', expr: {query}}}").unwrap();
        writeln!(
            tests,
            "      - {{alertname: 'Query{number} ', eval_time: 50m, exp_alerts: []}}"
        )
        .unwrap();
    }
    fs::write(&alerts, rules).unwrap();
    fs::write(folder.path().join("alerts_test.yaml"), tests).unwrap();
    let said = check_rules(&alerts);
    match said.content {
        true => test_rules(folder.path()),
        false => said,
    }
}

/// As Grafana sends them: its variables replaced.
fn queries() -> Vec<String> {
    let dashboard = dashboard();
    let mut queries: Vec<String> = panels(&dashboard)
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect();
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if variable["type"] == "query" {
            let query = variable["definition"].as_str().unwrap();
            let asked = query.strip_prefix("label_values(").unwrap();
            queries.push(asked.rsplit_once(',').unwrap().0.to_owned());
        }
    }
    for query in &mut queries {
        for (variable, value) in [
            ("$__rate_interval", "5m"),
            ("$__range", "30m"),
            ("$job", ".*"),
            ("$instance", ".*"),
        ] {
            *query = query.replace(variable, value);
        }
        assert!(!query.contains('$'), "an unknown variable: {query}");
    }
    queries
}

fn dashboard() -> Value {
    let text = read(DASHBOARD);
    serde_json::from_str(&text).unwrap()
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter()
}
