//! The list of names that clients may use.

use crate::{gateway::Gateway, labels::Labels, refusal::Refusal, route};
use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use cherokee_wire::openai::{ModelCard, ModelList};
use http::HeaderMap;
use std::sync::Arc;

/// `GET /v1/models`.
pub async fn list(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    labelled(
        &headers,
        cards(&gateway, &headers).map(|data| Json(ModelList { object: "list".to_owned(), data }).into_response()),
    )
}

/// `GET /v1/models/{id}`.
pub async fn one(State(gateway): State<Arc<Gateway>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let found = cards(&gateway, &headers).and_then(|cards| {
        let known: Vec<_> = cards.iter().map(|card| card.id.clone()).collect();
        cards.into_iter().find(|card| card.id == id).ok_or_else(|| Refusal::unknown_model(&id, &known))
    });
    labelled(&headers, found.map(|card| Json(card).into_response()))
}

fn cards(gateway: &Gateway, headers: &HeaderMap) -> Result<Vec<ModelCard>, Refusal> {
    gateway.door.admit(headers)?;
    let layout = gateway.layout()?;
    let card = |name: &str| ModelCard {
        id: name.to_owned(),
        object: "model".to_owned(),
        created: gateway.started.timestamp(),
        owned_by: "cherokee".to_owned(),
    };
    Ok(route::names(&layout).into_iter().map(card).collect())
}

fn labelled(headers: &HeaderMap, answer: Result<Response, Refusal>) -> Response {
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    Labels::new(headers).write(response.headers_mut());
    response
}
