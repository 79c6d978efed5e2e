use crate::json::{self, RawObject};

/// The upstream's model list cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream's reply is not a list of models")]
pub struct NotAModelList;

/// Translates the upstream's model list (CONTRACT.md, section 4) into OpenAI's models, each as its id and its JSON.
///
/// OpenAI's type requires `created` and `owned_by`; the upstream says neither, so they are 0 and `foxapi`. Its own
/// members, such as `capabilities`, stay. Entries without an id are left out.
pub fn model_list(reply: &[u8]) -> Result<Vec<(String, String)>, NotAModelList> {
    let text = std::str::from_utf8(reply).map_err(|_| NotAModelList)?;
    let object = RawObject::parse(text).map_err(|_| NotAModelList)?;
    let entries = object
        .get("data")
        .and_then(json::array)
        .ok_or(NotAModelList)?;
    let models = entries.into_iter().filter_map(|entry| {
        let object = RawObject::of(entry)?;
        let id = object.string("id")?.into_owned();
        let mut edit = object.edit();
        if object.string("object").as_deref() != Some("model") {
            edit.set("object", r#""model""#);
        }
        if object
            .get("created")
            .is_none_or(|created| created.get().parse::<i64>().is_err())
        {
            edit.set("created", "0");
        }
        if object.string("owned_by").is_none() {
            edit.set("owned_by", r#""foxapi""#);
        }
        let json = edit.finish().unwrap_or_else(|| entry.get().to_string());
        Some((id, json))
    });
    Ok(models.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_get_what_openais_type_requires() {
        let reply = br#"{"object":"list","data":[{"id":"a","object":"model","capabilities":["text"]},{"x":1},
            {"id":"b","created":5,"owned_by":"me","object":"model"}]}"#;
        assert_eq!(
            model_list(reply).unwrap(),
            [
                (
                    "a".to_string(),
                    r#"{"id":"a","object":"model","capabilities":["text"],"created":0,"owned_by":"foxapi"}"#.to_string()
                ),
                (
                    "b".to_string(),
                    r#"{"id":"b","created":5,"owned_by":"me","object":"model"}"#.to_string()
                ),
            ]
        );
        assert_eq!(model_list(br#"{"object":"list","data":[]}"#), Ok(vec![]));
        for other in ["", "[]", "{}", r#"{"data":null}"#, "<html>"] {
            assert_eq!(model_list(other.as_bytes()), Err(NotAModelList));
        }
    }
}
