use hyper::header::{AUTHORIZATION, HeaderMap};
use tokio::time::timeout_at;

use super::{App, access::Access, insist::Insist, order::Order};
use crate::{
    api_error::{ApiError, Retry, Said},
    fox::{State, Task},
    keys::{self, Client, Reserved},
    ledger::{Bought, Caller, Claim, Claimed, Intent, NotNoted, Receipt, Take},
    openai::{ChatRequest, Usage},
    relay::{self, Attended, Course, NotBought, Sold},
    translate::{self, Draft, Fallbacks, Identity, Instead},
};

/// The official SDKs number their attempts, from 0.
const RETRY_COUNT: &str = "x-stainless-retry-count";

/// The task that a request has bought, now or before.
pub(super) struct Purchase {
    pub(super) identity: Identity,
    pub(super) pursuit: Attended,
    pub(super) receipt: Receipt,
    /// What the upstream said to the submit, if there was one just now.
    pub(super) said: Said,
    /// What has taken the request, where that is not the model that it asked for.
    pub(super) instead: Option<Instead>,
    /// Whether the request has found the task that it bought before.
    pub(super) is_found: bool,
    /// The tokens that its client has taken for it, if these are limited and it was bought just now.
    pub(super) reserved: Option<Reserved>,
}

/// How many tokens a request may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    prompt: u64,
    answer: u64,
}

impl Needs {
    /// Of a request whose bytes are `body`: cheap and coarse, to be corrected when its usage is known.
    pub(super) fn of(request: &ChatRequest, body: &[u8]) -> Self {
        let limit = request.max_completion_tokens.or(request.max_tokens);
        let limit = limit.map_or(0, |limit| limit.value);
        Self {
            prompt: keys::estimate(body.len()),
            answer: limit.saturating_mul(request.choices),
        }
    }
}

/// What a request says about its identity, by its headers and body.
pub(super) fn claim<'a>(
    headers: &'a HeaderMap,
    path: &'a str,
    body: &'a [u8],
) -> Result<Claim<'a>, ApiError> {
    let key = match headers.get("idempotency-key") {
        None => None,
        Some(key) => Some(key.to_str().ok().filter(|key| (1..=255).contains(&key.len())).ok_or_else(|| {
            ApiError::invalid_request(
                400,
                "invalid_idempotency_key",
                "The 'Idempotency-Key' header must have 1 to 255 visible ASCII characters. Send a random one for each \
                 request, such as a UUID.",
            )
        })?),
    };
    let retries = headers
        .get(RETRY_COUNT)
        .and_then(|count| count.to_str().ok());
    Ok(Claim {
        caller: Caller(headers.get(AUTHORIZATION).map_or(b"", |key| key.as_bytes())),
        key,
        is_retry: retries
            .and_then(|count| count.parse::<u32>().ok())
            .is_some_and(|count| count > 0),
        content: [path.as_bytes(), body],
    })
}

/// Whether the client numbers its attempts, as the official SDKs do.
pub(super) fn counts_retries(headers: &HeaderMap) -> bool {
    headers.contains_key(RETRY_COUNT)
}

/// Whether the client will say so when it sends the request again, as the official SDKs do.
pub(super) fn marks_retries(headers: &HeaderMap) -> bool {
    counts_retries(headers) || headers.contains_key("idempotency-key")
}

/// What is submitted, and in whose place else.
pub(super) struct Offer<'a> {
    pub(super) draft: Draft<'a>,
    pub(super) fallbacks: Option<Fallbacks>,
    pub(super) needs: Needs,
}

/// Finds the task that this request has bought before, or buys one.
pub(super) async fn find_or_buy(
    app: &App,
    mut order: Order,
    claim: Claim<'_>,
    offer: Offer<'_>,
    access: &mut Access,
) -> Result<Purchase, ApiError> {
    let context = &order.context;
    let take = Take {
        errand: access.errand().cloned(),
        tokens: access
            .client()
            .and_then(|client| client.asks(offer.needs.prompt, offer.needs.answer)),
    };
    let claiming = app.ledger.claim_and(claim, take);
    let claimed = tokio::select! {
        biased;
        claimed = timeout_at(context.deadline, claiming) => claimed,
        () = context.stop.cancelled() => return Err(shutting_down()),
    };
    match claimed {
        Ok(Claimed::New(intent)) => buy(order, offer, intent, access).await,
        Ok(Claimed::Bought(bought, receipt)) => {
            order.context.go_on_with_key(&bought);
            let instead = bought.model.map(|model| Instead {
                model,
                // Only a task that was submitted for it has a stream.
                follows: bought.stream_url.is_some(),
                adjustments: Vec::new(),
            });
            order.serve_instead(instead.as_ref());
            let task = Task {
                id: bought.task,
                state: State::Running,
                stream_url: bought.stream_url,
            };
            let (identity, pursuit) = order.resume(task, bought.created);
            let was_delivered = receipt.was_delivered();
            access.set_found(was_delivered);
            let client = access.client().filter(|_| !was_delivered);
            let mut owed = client
                .and_then(Client::owe)
                .map(|owed| match access.errand() {
                    Some(errand) => owed.on(errand),
                    None => owed,
                });
            if let Some(owed) = &mut owed {
                owed.bought(so_far(access.course()));
            }
            Ok(Purchase {
                identity,
                pursuit: pursuit.attended(),
                receipt,
                said: Said::default(),
                instead,
                is_found: true,
                reserved: owed,
            })
        }
        Ok(Claimed::Ambiguous) => Err(translate::ambiguous(
            "a request before this one was not confirmed",
            None,
        )),
        Err(_) => Err(translate::ambiguous(
            "the submit of a request before this one is still under way",
            None,
        )),
        Ok(Claimed::Limited(left)) => Err(match access.client() {
            Some(client) => client.lacks(
                client
                    .asks(offer.needs.prompt, offer.needs.answer)
                    .unwrap_or_default(),
                left,
            ),
            None => fleet_away(),
        }),
        Ok(Claimed::Unavailable) => Err(fleet_away()),
        Ok(Claimed::Conflict) => Err(ApiError::invalid_request(
            422,
            "idempotency_key_reused",
            "This 'Idempotency-Key' came with another request before. Send a new key with each new request.",
        )),
    }
}

/// What is known of the answer while it comes: each chunk is about a token, which is about four bytes.
fn so_far(course: Course) -> Box<dyn Fn() -> (Option<Usage>, usize) + Send> {
    Box::new(move || (course.usage(), 4 * course.told() as usize))
}

async fn buy(
    mut order: Order,
    offer: Offer<'_>,
    mut intent: Intent,
    access: &mut Access,
) -> Result<Purchase, ApiError> {
    if intent.is_unnoted() {
        access.set_unnoted();
    }
    let Offer {
        draft,
        mut fallbacks,
        needs,
    } = offer;
    let mut reserved = match access.client() {
        Some(client) => reserve(client, needs, &intent, access)?,
        None => None,
    };
    if let Some(wait) = order.context.upstream.shut() {
        return Err(translate::shut(wait));
    }
    // Until the submit an intent that is dropped leaves nothing behind.
    let stop = order.context.stop.clone();
    let urls = tokio::select! {
        biased;
        urls = relay::upload(&mut order.context, draft.uploads()) => urls?,
        () = stop.cancelled() => return Err(shutting_down()),
    };
    let submission = draft.submission(&urls);
    if let Some(fallbacks) = &mut fallbacks {
        fallbacks.set_urls(urls);
    }
    intent.sending().await.map_err(|error| not_noted(&error))?;
    access.set_submitting();
    let (slot, course) = (access.slot(), access.course());
    // The client may leave, and the reply that names the task must still be noted. What nobody takes then is dropped,
    // which leaves the pursuit to the orphans.
    Insist::on(async move {
        let _slot = slot;
        let submitted = relay::submit(&order.context, submission, fallbacks).await;
        let is_free = matches!(&submitted, Err(NotBought { is_certain, .. }) if *is_certain);
        if let Some(reserved) = reserved.as_mut().filter(|_| !is_free) {
            reserved.bought(so_far(course));
        }
        match submitted {
            Ok(sold) => {
                let Sold {
                    submitted,
                    key,
                    instead,
                } = sold;
                let bought = Bought {
                    task: submitted.task.id.clone(),
                    stream_url: submitted.task.stream_url.clone(),
                    created: super::unix_now(),
                    key: key.name().map(str::to_owned),
                    model: instead.as_ref().map(|instead| instead.model.clone()),
                };
                order.context.key = key;
                order.serve_instead(instead.as_ref());
                let (identity, pursuit) = order.begin(submitted.task, bought.created);
                Ok(Purchase {
                    identity,
                    pursuit: pursuit.attended(),
                    receipt: intent.bought(bought),
                    said: submitted.said,
                    instead,
                    is_found: false,
                    reserved,
                })
            }
            Err(NotBought { error, is_certain }) => {
                if is_certain {
                    intent.refused();
                } else {
                    intent.ambiguous();
                }
                Err(error)
            }
        }
    })
    .await
}

/// Takes the tokens that a request may use, if Redis has not taken them with the claim.
fn reserve(
    client: &Client,
    needs: Needs,
    intent: &Intent,
    access: &Access,
) -> Result<Option<Reserved>, ApiError> {
    let asked = client.asks(needs.prompt, needs.answer);
    match (intent.tokens_left(), access.errand(), asked) {
        (Some(left), Some(errand), Some(asked)) => {
            Ok(Some(client.taken(asked, needs.prompt, left, errand)))
        }
        _ => client.reserve(needs.prompt, needs.answer),
    }
}

/// Redis is away, and the operator wants nothing bought then.
pub(super) fn fleet_away() -> ApiError {
    ApiError::new(
        503,
        "server_error",
        "ledger_unavailable",
        "foxbridge cannot reach its ledger (Redis) just now, so the request was not sent; nothing was bought. Send it again a \
         little later, or have the operator look at Redis and 'ledger.if_unavailable'.",
    )
    .with_retry(Retry::After(std::time::Duration::from_secs(1)))
}

/// Without a place in the ledger a retry would buy a second task, so nothing is submitted.
fn not_noted(error: &NotNoted) -> ApiError {
    ApiError::new(
        503,
        "server_error",
        "ledger_unavailable",
        "foxbridge could not note this request in its ledger file, so it was not sent; nothing was bought. Let the \
         operator look at the disk and the log, then send the request again.",
    )
    .with_detail(error.to_string())
    .with_retry(Retry::After(std::time::Duration::from_secs(1)))
}

/// A stop before anything was bought.
pub(super) fn shutting_down() -> ApiError {
    ApiError::new(
        503,
        "server_error",
        "server_shutting_down",
        "foxbridge is being stopped; nothing was bought. Send the request again.",
    )
    .with_retry(Retry::After(std::time::Duration::from_secs(1)))
}
