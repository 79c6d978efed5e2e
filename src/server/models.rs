use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper::HeaderMap;
use tokio::time::Instant;

use super::{
    App,
    access::Access,
    clients, credentials,
    reply::{self, Reply},
};
use crate::{
    api_error::{ApiError, Retry},
    keys::Client,
    translate::{self, Model},
    upstream::{Key, ModelsError, Tried},
};

/// How many callers' lists are kept.
const MOST_CALLERS: usize = 1000;

type Models = Arc<Vec<Model>>;

/// The model lists of recent callers. Each key sees its own list, so they are told apart by the key's digest.
pub(super) struct Catalog {
    keep: Duration,
    lists: Mutex<HashMap<[u8; 32], (Instant, Models)>>,
}

impl Catalog {
    pub(super) fn new(keep: Duration) -> Self {
        Self {
            keep,
            lists: Mutex::default(),
        }
    }

    fn get(&self, caller: &[u8; 32]) -> Option<Models> {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, models) = lists.get(caller)?;
        (since.elapsed() < self.keep).then(|| models.clone())
    }

    fn put(&self, caller: [u8; 32], models: Models) {
        if self.keep.is_zero() {
            return;
        }
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if lists.len() >= MOST_CALLERS {
            lists.retain(|_, (since, _)| since.elapsed() < self.keep);
        }
        if lists.len() >= MOST_CALLERS {
            lists.clear();
        }
        lists.insert(caller, (Instant::now(), models));
    }
}

/// `GET /v1/models`.
pub(super) async fn list(
    app: &App,
    headers: &HeaderMap,
    client: Option<&Client>,
) -> Result<Reply, ApiError> {
    let models = models_of(app, credentials::upstream_key(app, headers)?).await?;
    let entries: Vec<&str> = models
        .iter()
        .filter(|model| clients::check_model(app, client, &model.id).is_ok())
        .map(|model| model.json.as_str())
        .collect();
    Ok(reply::json(format!(
        r#"{{"object":"list","data":[{}]}}"#,
        entries.join(",")
    )))
}

/// `GET /v1/models/{id}`.
pub(super) async fn retrieve(
    app: &App,
    headers: &HeaderMap,
    id: &str,
    access: &mut Access,
) -> Result<Reply, ApiError> {
    access.set_model(id);
    let models = models_of(app, credentials::upstream_key(app, headers)?).await?;
    let named = |name: &str| models.iter().find(|model| model.id == name);
    // A name that an alias pattern covers is served although no list can show it.
    let behind_alias = || Some(named(&app.models.upstream_model(id)?)?.renamed(id));
    let is_allowed = clients::check_model(app, access.client(), id).is_ok();
    let found = named(id).cloned().or_else(behind_alias);
    let found = found.filter(|_| is_allowed);
    match found {
        Some(model) => Ok(reply::json(model.json)),
        None => Err(ApiError {
            param: Some("model".into()),
            ..ApiError::invalid_request(
                404,
                "model_not_found",
                format!(
                    "The model '{}' does not exist or your key may not use it. GET /v1/models lists those that it may.",
                    id.chars().take(200).collect::<String>()
                ),
            )
        }),
    }
}

/// The list of one of several keys is good for all: who is served by which is chance.
const SHARED: [u8; 32] = [0; 32];

async fn models_of(app: &App, mut key: Key) -> Result<Models, ApiError> {
    let caller = match key.name() {
        Some(_) => SHARED,
        None => key.digest(),
    };
    if let Some(models) = app.catalog.get(&caller) {
        return Ok(models);
    }
    let upstream = &app.relay.upstream;
    let mut tried = Tried::default();
    let reply = loop {
        let (status, failure, retry_after) = match upstream.models(&key).await {
            Ok(reply) => break reply,
            Err(ModelsError::NoReply(cause)) => return Err(no_list(&cause)),
            Err(ModelsError::Refused {
                status,
                failure,
                retry_after,
            }) => (status, failure, retry_after),
        };
        let may_yield = upstream.note_refused(&key, status, retry_after, &mut tried);
        if may_yield && upstream.awaken(&mut key, &tried) {
            continue;
        }
        return Err(match status {
            ..500 => translate::refused(status, failure.as_ref(), retry_after),
            _ => no_list(&format!("status {status}")),
        });
    };
    let mut models = translate::model_list(&reply).map_err(|error| no_list(&error.to_string()))?;
    translate::add_aliases(&mut models, &app.models);
    let models = Arc::new(models);
    app.catalog.put(caller, models.clone());
    Ok(models)
}

fn no_list(cause: &str) -> ApiError {
    ApiError::new(
        503,
        "server_error",
        "upstream_unavailable",
        "FoxAPI's model list cannot be had just now. Try again; if it lasts, check 'upstream.base_url' and the network.",
    )
    .with_detail(cause)
    .with_retry(Retry::After(Duration::from_secs(1)))
}
