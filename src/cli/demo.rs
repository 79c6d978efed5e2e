//! `foxbridge demo`: the proxy in front of the simulator, with nothing to prepare.

use std::net::{Ipv4Addr, SocketAddr};

use foxbridge::{
    config::{self, Flag, Sources},
    run, simulator,
};
use tokio_util::sync::CancellationToken;

use super::{arguments::Demo, failure::Failure, output, serve, signals::Signals};

/// The simulator wants a key as the real service does; the proxy sends this one, so that callers need none.
const KEY: &str = "sk-foxbridge-demo";

pub(super) fn run(flags: &Demo) -> Result<(), Failure> {
    super::block_on(async {
        let signals = Signals::listen()?;
        let fox = serve::listen(
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            "the demo needs a free port on the loopback interface",
        )
        .await?;
        let upstream = format!("http://{}", fox.local_addr().map_err(Failure::Runtime)?);
        let config = config::load(&sources(flags, upstream))?.config;
        serve::start_log(&config);
        let front = serve::listen(config.listen, "choose another address with --listen").await?;
        let address = front.local_addr().map_err(Failure::Runtime)?;
        output::print(&welcome(reachable(address)))?;
        serve::announce(&config, &front, None);

        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let drained = CancellationToken::new();
        let proxy = async {
            let done = run::serve(config, front, stopped).await;
            // Requests in flight need the simulator until the proxy has finished them.
            drained.cancel();
            Ok(done?)
        };
        let simulator = async {
            simulator::serve(fox, flags.behaviour.settings(), drained.cancelled())
                .await
                .map_err(Failure::Simulator)
        };
        signals
            .run_until_stopped(stop, async {
                tokio::try_join!(proxy, simulator).map(|((), ())| ())
            })
            .await
    })
}

/// Neither proxy.toml nor the environment: a demo shows the same everywhere.
fn sources(flags: &Demo, upstream: String) -> Sources {
    let flag = |name, key: &str, value: String| Flag {
        name,
        key: key.to_owned(),
        value: Some(value),
    };
    Sources {
        flags: vec![
            flag("--listen", "listen", flags.listen.clone()),
            flag("of the demo", "upstream.base_url", upstream),
            flag("of the demo", "upstream.api_key", KEY.to_owned()),
        ],
        ..Sources::default()
    }
}

/// A client on this machine cannot connect to "every interface".
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}

fn welcome(address: SocketAddr) -> String {
    format!(
        r#"foxbridge demo: http://{address}/v1
Behind it is a simulated FoxAPI: no key, no network, no bill. Ctrl-C stops it.

An answer:

  curl http://{address}/v1/chat/completions -H 'Content-Type: application/json' -d '{{"model":"gpt-5.5","messages":[{{"role":"user","content":"count 1 to 3"}}]}}'

The same as a stream:

  curl -N http://{address}/v1/chat/completions -H 'Content-Type: application/json' -d '{{"model":"gpt-5.5","messages":[{{"role":"user","content":"count 1 to 3"}}],"stream":true}}'

With openai-python (pip install openai):

from openai import OpenAI

client = OpenAI(base_url="http://{address}/v1", api_key="unused")
messages = [{{"role": "user", "content": "count 1 to 3"}}]
answer = client.chat.completions.create(model="gpt-5.5", messages=messages)
print(answer.choices[0].message.content)
for chunk in client.chat.completions.create(model="gpt-5.5", messages=messages, stream=True):
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
print()

"#
    )
}
