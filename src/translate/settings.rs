/// What is added to a request so that the upstream takes it (`[models]` in proxy.toml).
#[derive(Debug, Clone)]
pub struct Settings {
    /// `max_tokens` for `claude-*` requests that give none: the upstream requires it there.
    pub claude_max_tokens: u32,
    /// `gpt-*` requests below this are raised to it: the upstream refuses fewer.
    pub gpt_min_tokens: u32,
}
