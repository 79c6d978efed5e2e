use crate::json::Raw;

/// What is understood of a `chat.completion.chunk`.
///
/// Read in one pass by hand, because every chunk of every stream is. What is read is what serde reads of the same
/// structs, which `view_tests.rs` holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct View<'a> {
    pub(super) id: Option<Raw<'a>>,
    pub(super) object: Option<Raw<'a>>,
    pub(super) created: Option<Raw<'a>>,
    pub(super) model: Option<Raw<'a>>,
    pub(super) choices: Option<Vec<ChoiceView<'a>>>,
    pub(super) usage: Option<Raw<'a>>,
    pub(super) error: Option<Raw<'a>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ChoiceView<'a> {
    pub(super) index: Option<u64>,
    pub(super) delta: Option<DeltaView<'a>>,
    pub(super) finish_reason: Option<Raw<'a>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DeltaView<'a> {
    pub(super) role: Option<Raw<'a>>,
    pub(super) content: Option<Raw<'a>>,
    pub(super) reasoning_content: Option<Raw<'a>>,
    pub(super) refusal: Option<Raw<'a>>,
    pub(super) tool_calls: Option<Vec<ToolCallView<'a>>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ToolCallView<'a> {
    pub(super) index: Option<u64>,
    pub(super) id: Option<Raw<'a>>,
    pub(super) function: Option<FunctionView<'a>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FunctionView<'a> {
    pub(super) name: Option<Raw<'a>>,
    pub(super) arguments: Option<Raw<'a>>,
}

/// Why a chunk cannot be read although it is JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    #[error("'{0}' is not {1}")]
    Type(&'static str, &'static str),
    #[error("'{0}' comes twice")]
    Twice(&'static str),
}

/// Reads the named members of an object, each with how its value is read.
macro_rules! read_members {
    ($raw:expr, $what:literal, $view:ident { $($name:ident: $read:expr),+ $(,)? }) => {{
        // Some languages write an object without members as a list without elements.
        if !$raw.get().starts_with('{') && $raw.elements().next().is_some() || !is_container($raw) {
            return Err(Unfit::Type($what, "an object"));
        }
        $(let mut $name = None;)+
        for (name, value) in $raw.members() {
            // Escapes in a name are allowed, and nobody writes them.
            match name.string().as_deref() {
                $(Some(stringify!($name)) => {
                    let read: fn(Raw<'a>) -> Result<_, Unfit> = $read;
                    let value = match value.get() {
                        "null" => None,
                        _ => Some(read(value)?),
                    };
                    if $name.replace(value).is_some() {
                        return Err(Unfit::Twice(stringify!($name)));
                    }
                })+
                _ => {}
            }
        }
        Ok($view { $($name: $name.flatten()),+ })
    }};
}

impl<'a> View<'a> {
    /// # Errors
    /// What is no object, and what has a member twice or of another type than it must be.
    pub(super) fn read(raw: Raw<'a>) -> Result<Self, Unfit> {
        read_members!(
            raw,
            "the chunk",
            View {
                id: Ok,
                object: Ok,
                created: Ok,
                model: Ok,
                choices: |raw| each(raw, "choices", ChoiceView::read),
                usage: Ok,
                error: Ok,
            }
        )
    }
}

impl<'a> ChoiceView<'a> {
    fn read(raw: Raw<'a>) -> Result<Self, Unfit> {
        read_members!(
            raw,
            "a choice",
            ChoiceView {
                index: whole,
                delta: DeltaView::read,
                finish_reason: Ok,
            }
        )
    }
}

impl<'a> DeltaView<'a> {
    fn read(raw: Raw<'a>) -> Result<Self, Unfit> {
        read_members!(
            raw,
            "a delta",
            DeltaView {
                role: Ok,
                content: Ok,
                reasoning_content: Ok,
                refusal: Ok,
                tool_calls: |raw| each(raw, "tool_calls", ToolCallView::read),
            }
        )
    }
}

impl<'a> ToolCallView<'a> {
    fn read(raw: Raw<'a>) -> Result<Self, Unfit> {
        read_members!(
            raw,
            "a tool call",
            ToolCallView {
                index: whole,
                id: Ok,
                function: FunctionView::read,
            }
        )
    }
}

impl<'a> FunctionView<'a> {
    fn read(raw: Raw<'a>) -> Result<Self, Unfit> {
        read_members!(
            raw,
            "a function",
            FunctionView {
                name: Ok,
                arguments: Ok,
            }
        )
    }
}

fn is_container(raw: Raw) -> bool {
    raw.get().starts_with(['{', '['])
}

fn each<'a, T>(
    raw: Raw<'a>,
    what: &'static str,
    read: fn(Raw<'a>) -> Result<T, Unfit>,
) -> Result<Vec<T>, Unfit> {
    match raw.get().starts_with('[') {
        true => raw.elements().map(read).collect(),
        false => Err(Unfit::Type(what, "an array")),
    }
}

fn whole(raw: Raw) -> Result<u64, Unfit> {
    // JSON writes no number with a plus.
    raw.get()
        .parse()
        .map_err(|_| Unfit::Type("index", "a whole number"))
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
