//! What is allowed and yet seldom meant.

use std::{net::IpAddr, time::Duration};

use hyper::Uri;

use super::Config;

/// When the OpenAI SDKs give up on a request, and send it again.
const SDK_TIMEOUT: Duration = Duration::from_secs(600);

impl Config {
    /// One sentence or two for each setting that an operator should look at again.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let asks_for_certificates =
            (self.server.tls.as_ref()).is_some_and(|tls| tls.client_ca.is_some());
        let has_key = self.upstream.api_key.is_some() || self.upstream.keys.is_some();
        let is_open = has_key && self.server.clients.is_none() && !asks_for_certificates;
        if is_open && !self.listen.ip().is_loopback() {
            warnings.push(format!(
                "listening on {} with an upstream key configured: anyone who reaches this address spends that key, unless \
                 'server.keys_file' gives clients keys of their own",
                self.listen
            ));
        }
        if is_plain_and_remote(&self.upstream.base_url) {
            warnings.push(format!(
                "upstream.base_url {} is plain http to another host: keys and prompts travel unencrypted",
                self.upstream.base_url
            ));
        }
        if self.task.deadline >= SDK_TIMEOUT {
            warnings.push(
                "task.deadline is not below 600s: the OpenAI SDKs give up then and send the request again, \
                 which buys a second task"
                    .to_owned(),
            );
        }
        warnings
    }
}

fn is_plain_and_remote(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    let is_local = match address {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    };
    url.scheme_str() == Some("http") && !is_local
}
