//! Alert rules, the scrape configuration, and the metrics themselves, all read by promtool.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::tools::{Said, copy_of, plant, promtool, read, root, run, yaml};

const FOLDER: &str = "deploy/prometheus";
pub(crate) const METRICS: &str = "tests/deploy/metrics.prom";

/// What is not told before there is something to tell.
const COUNTED_LATER: [&str; 7] = [
    "foxbridge_orphans_total",
    "foxbridge_ledger_shared_up",
    "foxbridge_ledger_shared_waiting",
    "foxbridge_ledger_unnoted_total",
    "foxbridge_upstream_key_submits_total",
    "foxbridge_upstream_key_resting",
    "foxbridge_model_fallbacks_total",
];

#[test]
fn rules_and_configuration_are_sound() {
    let folder = root().join(FOLDER);
    check_rules(&folder.join("alerts.yaml")).accepts();
    config(&folder).accepts();
}

#[test]
fn every_alert_fires_where_it_should_and_only_there() {
    test_rules(&root().join(FOLDER)).accepts();
    let tests = read(&format!("{FOLDER}/alerts_test.yaml"));
    for (name, _) in alerts() {
        let fires = format!("      - alertname: {name}\n");
        let is_quiet = format!("{{alertname: {name}, eval_time: 55m, exp_alerts: []}}");
        assert!(tests.contains(&fires), "no test shows that {name} fires");
        assert!(
            tests.contains(&is_quiet),
            "no test shows that {name} is quiet"
        );
    }
}

#[test]
fn mistakes_in_rules_are_caught() {
    let copy = copy_of(FOLDER);
    plant(
        &copy.path().join("alerts.yaml"),
        "foxbridge_ready == 0",
        "foxbridge_ready = 0",
    );
    check_rules(&copy.path().join("alerts.yaml")).rejects("parse error");
    config(copy.path()).rejects("parse error");

    let copy = copy_of(FOLDER);
    plant(
        &copy.path().join("alerts.yaml"),
        "expr: foxbridge_ready == 0",
        "expression: foxbridge_ready == 0",
    );
    check_rules(&copy.path().join("alerts.yaml")).rejects("expression");

    for (right, wrong, alert) in [
        ("> 0.05", "> 0.5", "FoxbridgeErrors"),
        ("for: 12m", "for: 1m", "FoxbridgeNotReady"),
        (
            "foxbridge_ledger_entries > 95000",
            "foxbridge_ledger_entry > 95000",
            "FoxbridgeLedgerFull",
        ),
        (
            "kind=\"status_429\"",
            "kind=\"429\"",
            "FoxbridgeUpstreamRateLimit",
        ),
    ] {
        let copy = copy_of(FOLDER);
        plant(&copy.path().join("alerts.yaml"), right, wrong);
        test_rules(copy.path()).rejects(alert);
    }

    let copy = copy_of(FOLDER);
    plant(
        &copy.path().join("prometheus.yaml"),
        "static_configs",
        "static_config",
    );
    config(copy.path()).rejects("static_config");
}

#[test]
fn the_metrics_that_rules_and_dashboard_rely_on_are_well_formed() {
    let text = read(METRICS);
    check_metrics(&text).accepts();
    let undescribed = text.replace(
        "# HELP foxbridge_ready Whether the process wants requests.\n",
        "",
    );
    assert_ne!(undescribed, text);
    check_metrics(&undescribed).rejects("foxbridge_ready no help text");
    let misnamed = text.replace("foxbridge_stream_resumes_total", "foxbridge_stream_resumes");
    check_metrics(&misnamed).rejects("_total");
}

#[test]
fn a_live_foxbridge_has_these_metrics_with_these_labels() {
    let bridge = Live::start();
    assert_eq!(bridge.chat(false), 200);
    assert_eq!(bridge.chat(true), 200);
    let scrape = bridge.scrape();
    check_metrics(&scrape).accepts();
    let sample = read(METRICS);
    let (there, all) = (families(&scrape), families(&sample));
    let strange: Vec<&String> = there.iter().filter(|one| !all.contains(one)).collect();
    assert!(strange.is_empty(), "not in {METRICS}: {strange:?}");
    let missing = all.iter().filter(|one| !there.contains(one));
    let missing: Vec<&str> = missing.filter_map(|one| one.split(' ').next()).collect();
    assert!(
        missing.iter().all(|one| COUNTED_LATER.contains(one)),
        "not told: {missing:?}"
    );
    let known = shapes(&sample);
    let live = shapes(&scrape);
    let strange: Vec<&(String, Vec<String>)> =
        live.iter().filter(|shape| !known.contains(shape)).collect();
    assert!(strange.is_empty(), "not in {METRICS}: {strange:?}");
    for asked in [
        "foxbridge_requests_total",
        "foxbridge_tokens_total",
        "foxbridge_build_info",
    ] {
        assert!(
            live.iter().any(|(name, _)| name == asked),
            "{asked} was not counted"
        );
    }
}

#[test]
fn a_health_check_tells_a_live_foxbridge_from_none() {
    let bridge = Live::start();
    bridge.health().accepts();
    let admin = bridge.admin;
    drop(bridge);
    health(admin).rejects("cannot be asked");
}

/// Names and expressions of all alerts.
pub(crate) fn alerts() -> Vec<(String, String)> {
    let file = yaml(&read(&format!("{FOLDER}/alerts.yaml"))).remove(0);
    let rules = file["groups"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rules
        .flat_map(|group| group["rules"].as_array().unwrap())
        .map(|rule| (text(&rule["alert"]), text(&rule["expr"])))
        .collect()
}

pub(crate) fn check_rules(file: &Path) -> Said {
    run(promtool().args(["check", "rules"]).arg(file), "")
}

/// Runs the file `alerts_test.yaml` of a folder.
pub(crate) fn test_rules(folder: &Path) -> Said {
    let mut promtool = promtool();
    run(
        promtool
            .args(["test", "rules", "alerts_test.yaml"])
            .current_dir(folder),
        "",
    )
}

fn config(folder: &Path) -> Said {
    run(
        promtool()
            .args(["check", "config"])
            .arg(folder.join("prometheus.yaml")),
        "",
    )
}

fn check_metrics(text: &str) -> Said {
    run(promtool().args(["check", "metrics"]), text)
}

/// Every metric with its type.
pub(crate) fn families(exposition: &str) -> Vec<String> {
    let types = exposition
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let mut all: Vec<String> = types.map(str::to_owned).collect();
    all.sort();
    all
}

/// Every series by its name and the names of its labels.
fn shapes(exposition: &str) -> Vec<(String, Vec<String>)> {
    let series = exposition
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    series
        .map(|line| match line.split_once('{') {
            Some((name, rest)) => {
                let labels = rest.rsplit_once('}').unwrap().0;
                let mut names: Vec<String> = labels
                    .split("\",")
                    .map(|label| label.split_once('=').unwrap().0.to_owned())
                    .collect();
                names.sort();
                (name.to_owned(), names)
            }
            None => (line.split_once(' ').unwrap().0.to_owned(), Vec::new()),
        })
        .collect()
}

/// The binary in front of its simulator, ended with the test.
struct Live {
    processes: [Child; 2],
    front: SocketAddr,
    admin: SocketAddr,
}

impl Live {
    fn start() -> Self {
        let mut simulator = foxbridge(&["simulate", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut welcome = String::new();
        let stdout = simulator.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut welcome).unwrap();
        let address = welcome.split_once("http://").expect(&welcome).1;
        let address: String = address
            .chars()
            .take_while(|c| c.is_ascii_digit() || ".:".contains(*c))
            .collect();
        let mut proxy = foxbridge(&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .args([
                "--upstream",
                &format!("http://{}", address.trim_end_matches(['.', ':'])),
            ])
            .args([
                "--set",
                "admin.listen=127.0.0.1:0",
                "--set",
                "upstream.api_key=sk-deploy",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = proxy.stderr.take().unwrap();
        let mut lines = BufReader::new(stderr).lines();
        let event = lines
            .by_ref()
            .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap())
            .find(|event| event["message"] == "listening")
            .expect("the proxy ended without a word of where it listens");
        // Who does not read what it logs would stop it at some time.
        std::thread::spawn(move || lines.for_each(drop));
        let address = |name: &str| event[name].as_str().unwrap().parse().unwrap();
        Self {
            front: address("listen"),
            admin: address("admin"),
            processes: [simulator, proxy],
        }
    }

    fn chat(&self, stream: bool) -> u16 {
        let body = format!(
            r#"{{"model":"gpt-5.5","stream":{stream},"messages":[{{"role":"user","content":"count 1 to 3"}}]}}"#
        );
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: foxbridge\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = exchange(self.front, &(head + &body));
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn scrape(&self) -> String {
        let answer = exchange(
            self.admin,
            "GET /metrics HTTP/1.0\r\nHost: foxbridge\r\n\r\n",
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200"),
            "{head}"
        );
        body.to_owned()
    }

    fn health(&self) -> Said {
        health(self.admin)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // Whatever has ended already is as good.
            drop(process.kill());
            drop(process.wait());
        }
    }
}

fn health(admin: SocketAddr) -> Said {
    let setting = format!("admin.listen={admin}");
    run(&mut foxbridge(&["healthcheck", "--set", &setting]), "")
}

/// The binary with nothing but its arguments.
fn foxbridge(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foxbridge"));
    command
        .args(arguments)
        .env_clear()
        .current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(std::time::Duration::from_secs(60)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
