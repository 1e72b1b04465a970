//! What a worker says of itself: models, health, metrics, status.

use super::refusal::Refusal;
use crate::app::{App, Closed, Phase};
use axum::{
    Json,
    extract::{Path, State},
    http::{Method, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use cherokee_engine::{DeviceKind, Engine};
use cherokee_wire::{
    error::Code,
    openai::{ModelCard, ModelList},
    worker::{self, WorkerStatus},
};

/// `GET /v1/models`.
pub(super) async fn models(State(app): State<App>) -> Json<ModelList> {
    Json(ModelList { object: "list".into(), data: cards(&app) })
}

/// `GET /v1/models/{id}`.
pub(super) async fn model(State(app): State<App>, Path(id): Path<String>) -> Response {
    match cards(&app).into_iter().find(|card| card.id == id) {
        Some(card) => Json(card).into_response(),
        None => Refusal::no_model(format!("model `{id}` is not loaded here")).into_response(),
    }
}

/// `GET /healthz`: whether the process can still do its work.
pub(super) async fn health(State(app): State<App>) -> Response {
    if app.alive() { "ok".into_response() } else { Refusal::from(Closed::Broken).into_response() }
}

/// `GET /readyz`: whether queries are accepted.
pub(super) async fn ready(State(app): State<App>) -> Response {
    match app.admit() {
        Ok(_) => "ok".into_response(),
        Err(closed) => (StatusCode::SERVICE_UNAVAILABLE, Refusal::from(closed)).into_response(),
    }
}

/// `GET /metrics`.
pub(super) async fn metrics(State(app): State<App>) -> Response {
    let load = app.engine().map(Engine::load).unwrap_or_default();
    let text = app.metrics().text(load);
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

/// `GET /status`.
pub(super) async fn status(State(app): State<App>) -> Response {
    match app.engine() {
        Some(engine) => Json(worker_status(engine, app.phase())).into_response(),
        None => Refusal::from(Closed::Loading).into_response(),
    }
}

/// `GET /download`.
pub(super) async fn download(State(app): State<App>) -> Json<Option<worker::Download>> {
    Json(app.download())
}

/// Every other address or method.
pub(super) async fn not_offered(method: Method, uri: Uri) -> Response {
    Refusal::new(Code::NotOffered, format!("{method} {} is not offered", uri.path()), None).into_response()
}

fn cards(app: &App) -> Vec<ModelCard> {
    let models = app.engine().map(|engine| engine.report().models.as_slice()).unwrap_or_default();
    models
        .iter()
        .map(|model| ModelCard {
            id: model.name.clone(),
            object: "model".into(),
            created: app.started(),
            owned_by: "cherokee".into(),
        })
        .collect()
}

fn worker_status(engine: &Engine, phase: Phase) -> WorkerStatus {
    let (report, load) = (engine.report(), engine.load());
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    // Rounded up: what is reported is never less than what is held.
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let memory = report.memory;
    WorkerStatus {
        models: report.models.iter().map(|model| model.name.clone()).collect(),
        device: worker::Device {
            kind: match report.device.kind {
                DeviceKind::Cuda => worker::DeviceKind::Cuda,
                DeviceKind::Cpu => worker::DeviceKind::Cpu,
                DeviceKind::Simulated => worker::DeviceKind::Simulated,
            },
            name: report.device.name.clone(),
            uuid: report.device.uuid.clone(),
        },
        memory: worker::Memory {
            weights_mib: mib(memory.weights),
            kv_cache_mib: mib(memory.kv_cache),
            reserve_mib: mib(memory.reserve),
            total_mib: mib(memory.weights) + mib(memory.kv_cache) + mib(memory.reserve),
            observed_mib: mib(engine.observed_bytes().unwrap_or_default()),
        },
        running: count(load.running),
        waiting: count(load.waiting),
        draining: phase == Phase::Draining,
    }
}
