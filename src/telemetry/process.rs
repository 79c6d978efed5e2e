use std::{fmt::Write, fs};

/// What Prometheus calls the process's own figures, as far as the system tells them (Linux does, in /proc).
pub fn process() -> String {
    let mut text = String::new();
    if let Some((seconds, start)) = stat() {
        line(
            &mut text,
            "process_cpu_seconds_total",
            "counter",
            "Processor time used.",
            seconds,
        );
        line(
            &mut text,
            "process_start_time_seconds",
            "gauge",
            "When the process began, in Unix seconds.",
            start,
        );
    }
    if let Some(bytes) = resident() {
        line(
            &mut text,
            "process_resident_memory_bytes",
            "gauge",
            "Memory in use.",
            bytes,
        );
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        // The one that reads is among them.
        let open = files.count().saturating_sub(1);
        line(
            &mut text,
            "process_open_fds",
            "gauge",
            "Open files and connections.",
            open as f64,
        );
    }
    if let Some(most) = most_files() {
        line(
            &mut text,
            "process_max_fds",
            "gauge",
            "How many may be open.",
            most,
        );
    }
    text
}

fn line(text: &mut String, name: &str, kind: &str, what: &str, value: f64) {
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "# HELP {name} {what}\n# TYPE {name} {kind}\n{name} {value}\n"
    );
}

/// Processor time in seconds, and the start in Unix seconds. A tick is a hundredth of a second on every Linux there is.
fn stat() -> Option<(f64, f64)> {
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name may have spaces and parentheses in it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<f64>().ok();
    let seconds = (number(11)? + number(12)?) / TICKS;
    let system = fs::read_to_string("/proc/stat").ok()?;
    let booted = system
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    let start = booted.trim().parse::<f64>().ok()? + number(19)? / TICKS;
    Some((seconds, start))
}

fn resident() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn most_files() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_all_of_it() {
        let text = process();
        let value = |name: &str| -> f64 {
            let line = text
                .lines()
                .find(|line| line.starts_with(&format!("{name} ")));
            line.unwrap().rsplit_once(' ').unwrap().1.parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_max_fds") >= value("process_open_fds"));
        assert!(value("process_start_time_seconds") > 1.7e9);
        assert!(value("process_cpu_seconds_total") >= 0.0);
    }
}
