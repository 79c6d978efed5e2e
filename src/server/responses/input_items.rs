use crate::{
    api_error::ApiError,
    json::{Raw, RawObject},
    ledger::Kept,
    server::{
        query::{Query, invalid},
        reply::{self, Reply},
    },
};

/// How many items a page has, and how many it may have.
const USUAL: u64 = 20;
const MOST: u64 = 100;

/// `GET /v1/responses/{id}/input_items`: a page of the response's own input, the newest first unless asked otherwise.
pub(super) fn list(kept: &Kept, query: &Query) -> Result<Reply, ApiError> {
    let limit = query.number("limit")?.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(invalid(
            "limit",
            "a number from 1 to 100",
            &limit.to_string(),
        ));
    }
    let mut items = Raw::parse(&kept.request.input)
        .ok()
        .and_then(Raw::array)
        .unwrap_or_default();
    match query.get("order") {
        None | Some("" | "desc") => items.reverse(),
        Some("asc") => {}
        Some(other) => return Err(invalid("order", "asc or desc", other)),
    }
    let start = match query.get("after") {
        None | Some("") => 0,
        Some(after) => items
            .iter()
            .position(|item| id(*item) == after)
            .map(|at| at + 1)
            .ok_or_else(|| invalid("after", "the id of an item of this list", after))?,
    };
    let rest = items.get(start..).unwrap_or_default();
    let page = rest.get(..limit as usize).unwrap_or(rest);
    let edge = |item: Option<&Raw>| {
        let id = item.and_then(|item| RawObject::of(*item)?.get("id"));
        id.map_or("null", Raw::get).to_owned()
    };
    let data: Vec<&str> = page.iter().map(|item| item.get()).collect();
    Ok(reply::json(format!(
        r#"{{"object":"list","data":[{}],"first_id":{},"last_id":{},"has_more":{}}}"#,
        data.join(","),
        edge(page.first()),
        edge(page.last()),
        page.len() < rest.len()
    )))
}

fn id(item: Raw) -> String {
    let item = RawObject::of(item).unwrap_or_default();
    item.string("id").unwrap_or_default().into_owned()
}
