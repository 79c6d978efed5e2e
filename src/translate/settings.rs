use super::ByModel;

/// What is made of model names, and what is added to a request so that the upstream takes it (`[models]` and
/// `[media]` in proxy.toml).
#[derive(Debug, Clone)]
pub struct Settings {
    /// `max_tokens` for `claude-*` requests that give none: the upstream requires it there.
    pub claude_max_tokens: u32,
    /// `gpt-*` requests below this are raised to it: the upstream refuses fewer.
    pub gpt_min_tokens: u32,
    /// What a name that clients use is called upstream; a `*` in it stands for what the pattern's `*` matched.
    pub aliases: ByModel<String>,
    /// Which models are asked, in this order, where the upstream does not have one; by the upstream's names.
    pub fallbacks: ByModel<Vec<String>>,
    /// How an answer that is not streamed is waited for, by the upstream's model name; `Poll` where none matches.
    pub wait: ByModel<Wait>,
    /// Inline media longer than this, in bytes of its URL, is uploaded first and sent as a URL.
    pub inline_max: usize,
}

/// How to wait for an answer that is not streamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Query the task now and then.
    Poll,
    /// Follow the task's stream: the answer comes at once, and with the reasoning that results lack.
    Stream,
}

impl Settings {
    /// The upstream's name for a model, where it has another one. A pattern that leaves nothing of the name gives none.
    pub fn upstream_model(&self, name: &str) -> Option<String> {
        let (target, star) = self.aliases.get(name)?;
        Some(target.replacen('*', star, 1)).filter(|name| !name.trim().is_empty())
    }
}
