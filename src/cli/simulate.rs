//! `foxbridge simulate`: the built-in FoxAPI alone.

use foxbridge::{config, simulator};
use tokio_util::sync::CancellationToken;

use super::{arguments::Simulate, failure::Failure, output, serve, signals::Signals};

pub(super) fn run(flags: &Simulate) -> Result<(), Failure> {
    if flags.markers {
        return output::print(simulator::MARKER_HELP);
    }
    // Nothing of proxy.toml concerns the simulator; the defaults have the log settings.
    let config = config::load(&config::Sources::default())?.config;
    serve::start_log(&config);
    super::block_on(async {
        let signals = Signals::listen()?;
        let listener = serve::listen(flags.listen, "choose another address with --listen").await?;
        let address = listener.local_addr().map_err(Failure::Runtime)?;
        output::print(&format!(
            "simulated FoxAPI: http://{address}\nput the proxy in front of it: foxbridge --upstream http://{address}\n"
        ))?;
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        signals
            .run_until_stopped(stop, async {
                simulator::serve(listener, flags.behaviour.settings(), stopped)
                    .await
                    .map_err(Failure::Simulator)
            })
            .await
    })
}
