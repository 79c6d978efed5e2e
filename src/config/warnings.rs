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
        warnings.extend(self.misnamed_fallbacks());
        warnings
    }

    /// Fallbacks are FoxAPI's models, by their own names.
    fn misnamed_fallbacks(&self) -> impl Iterator<Item = String> {
        let models = &self.models;
        let names = models.fallbacks.iter().flat_map(|(pattern, others)| {
            let others = others.iter().map(String::as_str);
            pattern.plain().into_iter().chain(others)
        });
        let is_alias = |name: &&str| {
            models
                .aliases
                .iter()
                .any(|(it, _)| it.plain() == Some(*name))
        };
        names.filter(is_alias).map(|name| {
            format!(
                "models.fallbacks: {name:?} is one of 'models.aliases', which only clients' own names are; FoxAPI is asked for a \
                 model of exactly this name, so name the model that the alias stands for"
            )
        })
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

#[cfg(test)]
mod tests {
    use crate::{
        config::{Sources, load},
        translate::{ByModel, Pattern},
    };

    #[test]
    fn an_alias_among_the_fallbacks_is_warned_of() {
        let pairs = |fallbacks: &[(&str, &[&str])]| {
            let mut config = load(&Sources::default()).expect("sound defaults").config;
            let pattern = |name: &&str| Pattern::new(name).expect("a pattern");
            let fallbacks = fallbacks.iter().map(|(name, models)| {
                let models = models.iter().map(|model| (*model).to_owned());
                (pattern(name), models.collect())
            });
            config.models.fallbacks = ByModel::new(fallbacks.collect());
            let aliases = [("smart", "gpt-5.5"), ("any-*", "gpt-5.4")];
            let aliases = aliases.map(|(name, model)| (pattern(&name), model.to_owned()));
            config.models.aliases = ByModel::new(aliases.into());
            config.warnings()
        };
        assert!(pairs(&[("gpt-5.5", &["gpt-5.4"]), ("any-*", &["any-x"])]).is_empty());
        for fallbacks in [("smart", ["gpt-5.4"]), ("gpt-5.4", ["smart"])] {
            let warned = pairs(&[(fallbacks.0, &fallbacks.1)]);
            assert_eq!(warned.len(), 1, "{warned:?}");
            assert!(warned[0].contains("\"smart\" is one of 'models.aliases'"));
        }
    }
}
