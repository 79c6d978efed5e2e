use serde::Deserialize;

use crate::json::Raw;

/// What is understood of a `chat.completion.chunk`.
#[derive(Debug, Deserialize)]
pub(super) struct View<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<Raw<'a>>,
    #[serde(borrow, default)]
    pub(super) object: Option<Raw<'a>>,
    #[serde(borrow, default)]
    pub(super) created: Option<Raw<'a>>,
    #[serde(borrow, default)]
    pub(super) model: Option<Raw<'a>>,
    #[serde(borrow, default)]
    pub(super) choices: Option<Vec<ChoiceView<'a>>>,
    #[serde(borrow, default)]
    pub(super) usage: Option<Raw<'a>>,
    #[serde(borrow, default)]
    pub(super) error: Option<Raw<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ChoiceView<'a> {
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(borrow, default)]
    pub(super) delta: Option<DeltaView<'a>>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Option<Raw<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct DeltaView<'a> {
    #[serde(borrow, default)]
    pub(super) role: Option<Raw<'a>>,
    #[serde(borrow, default)]
    pub(super) content: Option<Raw<'a>>,
    #[serde(borrow, default)]
    pub(super) reasoning_content: Option<Raw<'a>>,
    #[serde(borrow, default)]
    pub(super) refusal: Option<Raw<'a>>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Option<Vec<ToolCallView<'a>>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ToolCallView<'a> {
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(borrow, default)]
    pub(super) id: Option<Raw<'a>>,
    #[serde(borrow, default)]
    pub(super) function: Option<FunctionView<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct FunctionView<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<Raw<'a>>,
    #[serde(borrow, default)]
    pub(super) arguments: Option<Raw<'a>>,
}
