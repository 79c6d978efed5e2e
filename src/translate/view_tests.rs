//! The views as serde reads them: slower, and the measure of what [`View::read`] reads.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::*;

#[derive(Deserialize)]
struct SlowView<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    created: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<Vec<Object<SlowChoice<'a>>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct SlowChoice<'a> {
    #[serde(default)]
    index: Option<u64>,
    #[serde(borrow, default)]
    delta: Option<Object<SlowDelta<'a>>>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct SlowDelta<'a> {
    #[serde(borrow, default)]
    role: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<Object<SlowCall<'a>>>>,
}

#[derive(Deserialize)]
struct SlowCall<'a> {
    #[serde(default)]
    index: Option<u64>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    function: Option<Object<SlowFunction<'a>>>,
}

#[derive(Deserialize)]
struct SlowFunction<'a> {
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

/// An object. serde reads a struct from the elements of a list, too, but only one without elements is meant so.
struct Object<T>(T);

impl<'de: 'a, 'a, T: Deserialize<'a>> Deserialize<'de> for Object<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'a RawValue>::deserialize(deserializer)?;
        let is_list = raw.get().starts_with('[');
        if is_list
            && serde_json::from_str::<Vec<&RawValue>>(raw.get()).is_ok_and(|list| !list.is_empty())
        {
            return Err(serde::de::Error::custom("a list"));
        }
        serde_json::from_str(raw.get())
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

fn raw(value: Option<&RawValue>) -> Option<Raw<'_>> {
    value.map(|value| Raw::parse(value.get()).expect("JSON"))
}

/// What serde reads, in the fast view's form.
fn slow(text: &str) -> Option<View<'_>> {
    let Object(view): Object<SlowView> = serde_json::from_str(text).ok()?;
    Some(View {
        id: raw(view.id),
        object: raw(view.object),
        created: raw(view.created),
        model: raw(view.model),
        choices: view.choices.map(|choices| {
            let choices = choices.into_iter();
            choices.map(choice).collect()
        }),
        usage: raw(view.usage),
        error: raw(view.error),
    })
}

fn choice(Object(choice): Object<SlowChoice<'_>>) -> ChoiceView<'_> {
    ChoiceView {
        index: choice.index,
        delta: choice.delta.map(|Object(delta)| DeltaView {
            role: raw(delta.role),
            content: raw(delta.content),
            reasoning_content: raw(delta.reasoning_content),
            refusal: raw(delta.refusal),
            tool_calls: delta.tool_calls.map(|calls| {
                let calls = calls.into_iter();
                calls.map(call).collect()
            }),
        }),
        finish_reason: raw(choice.finish_reason),
    }
}

fn call(Object(call): Object<SlowCall<'_>>) -> ToolCallView<'_> {
    ToolCallView {
        index: call.index,
        id: raw(call.id),
        function: call.function.map(|Object(function)| FunctionView {
            name: raw(function.name),
            arguments: raw(function.arguments),
        }),
    }
}

fn fast(text: &str) -> Option<View<'_>> {
    View::read(Raw::parse(text).ok()?).ok()
}

#[test]
fn corners() {
    for (text, is_read) in [
        (r#"{}"#, true),
        (r#" {"choices" : null } "#, true),
        (r#"{"choices":[]}"#, true),
        (r#"{"choices":{}}"#, false),
        (r#"{"choices":[null]}"#, false),
        (r#"{"id":1,"id":2}"#, false),
        (r#"{"id":null,"id":2}"#, false),
        (r#"{"other":1,"other":2}"#, true),
        (r#"{"\u0069d":1}"#, true),
        (r#"{"i\ud800d":1}"#, false),
        (r#"{"choices":[{"index":-1}]}"#, false),
        (r#"{"choices":[{"index":1.0}]}"#, false),
        (r#"{"choices":[{"index":18446744073709551616}]}"#, false),
        (r#"{"choices":[{"index":"0"}]}"#, false),
        (r#"{"choices":[{"delta":"x"}]}"#, false),
        (
            r#"{"choices":[{"delta":null,"index":null,"finish_reason":null}]}"#,
            true,
        ),
        (
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}}]}"#,
            true,
        ),
        (
            r#"{"choices":[{"delta":{"tool_calls":[{"function":[1]}]}}]}"#,
            false,
        ),
        (r#"{"choices":[{"delta":[ ]}]}"#, true),
        (r#"{"choices":[[]]}"#, true),
        ("[]", true),
        ("[1]", false),
        ("7", false),
        ("{", false),
    ] {
        // A name that stands for no text is refused by serde, and passed over here.
        if !text.contains("ud800") {
            assert_eq!(slow(text).is_some(), is_read, "{text}");
        }
        assert_eq!(
            fast(text).is_some(),
            is_read || text.contains("ud800"),
            "{text}"
        );
    }
}

/// JSON that is like a chunk, but for what goes wrong in it.
fn chunk() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("-1".to_owned()),
        Just("1.5".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        (0u64..4).prop_map(|number| number.to_string()),
        r#"[a-z" \\é]{0,6}"#.prop_map(|text| serde_json::to_string(&text).expect("text")),
    ];
    let names = || {
        prop::sample::select(vec![
            "id",
            "object",
            "created",
            "model",
            "choices",
            "usage",
            "error",
            "index",
            "delta",
            "finish_reason",
            "role",
            "content",
            "reasoning_content",
            "refusal",
            "tool_calls",
            "function",
            "name",
            "arguments",
            "logprobs",
        ])
    };
    scalar.prop_recursive(6, 60, 6, move |inner| {
        let member = |name: &'static str, value: BoxedStrategy<String>| {
            value.prop_map(move |value| format!("{name:?}: {value}"))
        };
        let list = proptest::collection::vec(inner.clone(), 0..4)
            .prop_map(|elements| format!("[{}]", elements.join(", ")));
        let object =
            proptest::collection::vec((names(), inner.clone()), 0..6).prop_map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| format!("{name:?}:{value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            });
        let choices = proptest::collection::vec(inner.clone(), 0..3)
            .prop_map(|deltas| {
                let choices: Vec<_> = deltas
                    .iter()
                    .map(|delta| format!(r#"{{"index":0,"delta":{delta}}}"#))
                    .collect();
                format!("[{}]", choices.join(","))
            })
            .boxed();
        prop_oneof![
            list,
            object,
            member("choices", choices).prop_map(|choices| format!("{{{choices}}}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_fast_view_is_the_slow_one(text in chunk()) {
        prop_assert_eq!(fast(&text), slow(&text), "{}", text);
    }

    #[test]
    fn the_fast_view_is_the_slow_one_of_a_chunk_with_a_fault(at in 0usize..260, instead in r#"[\[\]{},:"0-9a\\]{0,2}"#, cut in 0usize..4) {
        let text = r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":" w","tool_calls":[{"index":1,"id":"c","function":{"name":"f","arguments":"{}"}}]},"finish_reason":null}],"usage":null}"#;
        let at = at.min(text.len());
        let behind = (at + cut).min(text.len());
        let text = format!("{}{instead}{}", &text[..at], &text[behind..]);
        prop_assert_eq!(fast(&text), slow(&text), "{}", text);
    }
}
