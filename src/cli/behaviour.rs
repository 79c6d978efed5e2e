//! How the simulated service behaves, as flags of `demo` and `simulate`.

use std::time::Duration;

use clap::Args;
use foxbridge::simulator::{Faults, Settings};

#[derive(Args)]
#[command(next_help_heading = "Simulated service")]
pub(super) struct Behaviour {
    /// The same requests in the same order get the same ids, times and texts
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// From a submit to its reply [default: 50ms]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    submit_latency: Option<Duration>,
    /// How long a task stays pending [default: 150ms]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    queue: Option<Duration>,
    /// From processing to the first chunk [default: 200ms]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    first_chunk: Option<Duration>,
    /// Between two chunks, each about one word [default: 25ms]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    chunk_interval: Option<Duration>,
    /// From the last chunk to completed [default: 50ms]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    completion_lag: Option<Duration>,
    /// End streams with a usage chunk where the request asks for it
    #[arg(long)]
    usage_in_stream: bool,
    /// What goes wrong with every request, such as "submit=429x2 stream=cut@3"; the same words in a
    /// [[fox: …]] marker inside a message concern that request alone (foxbridge simulate --markers)
    #[arg(long, value_name = "WORDS")]
    faults: Option<Faults>,
}

impl Behaviour {
    pub(super) fn settings(&self) -> Settings {
        let usual = Settings::default();
        Settings {
            seed: self.seed.or(usual.seed),
            submit_latency: self.submit_latency.unwrap_or(usual.submit_latency),
            queue: self.queue.unwrap_or(usual.queue),
            first_chunk: self.first_chunk.unwrap_or(usual.first_chunk),
            chunk_interval: self.chunk_interval.unwrap_or(usual.chunk_interval),
            completion_lag: self.completion_lag.unwrap_or(usual.completion_lag),
            usage_in_stream: self.usage_in_stream || usual.usage_in_stream,
            faults: self.faults.clone().unwrap_or_default(),
            ..usual
        }
    }
}
