//! docs/operating.md and SECURITY.md keep up with what they are about.

use crate::{
    prometheus::{METRICS, alerts, families},
    tools::read,
};

const OPERATING: &str = "docs/operating.md";

#[test]
fn every_metric_and_every_alert_is_explained() {
    let page = read(OPERATING);
    for family in families(&read(METRICS)) {
        let name = family.split(' ').next().unwrap();
        assert!(
            page.contains(&format!("| `{name}`")),
            "{OPERATING} has no row of {name}"
        );
    }
    for (name, _) in alerts() {
        assert!(
            page.contains(&format!("| `{name}`")),
            "{OPERATING} has no row of {name}"
        );
    }
}

#[test]
fn nothing_is_explained_that_is_not_there() {
    let names: Vec<String> = families(&read(METRICS))
        .iter()
        .map(|family| family.split(' ').next().unwrap().to_owned())
        .chain(alerts().into_iter().map(|(name, _)| name))
        .collect();
    for line in read(OPERATING).lines() {
        let row = line
            .strip_prefix("| `")
            .and_then(|rest| rest.split_once('`'));
        let Some((name, _)) = row else { continue };
        let is_one = ["foxbridge_", "gen_ai_", "process_", "Foxbridge"]
            .iter()
            .any(|start| name.starts_with(start));
        assert!(
            !is_one || names.iter().any(|known| known == name),
            "{name} is gone"
        );
    }
}

#[test]
fn files_that_are_named_are_there() {
    for page in [OPERATING, "SECURITY.md"] {
        let text = read(page);
        for rest in text.split("](").skip(1) {
            let target = rest.split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let from = std::path::Path::new(page).parent().unwrap();
            let path = crate::tools::root().join(from).join(target);
            assert!(path.exists(), "{page} leads to {target}");
        }
    }
}
