//! A worker's life: listen, open the device, get the models, load, serve, drain, end.

use crate::{
    api,
    app::{App, Phase},
    args::Args,
    clock::unix_now,
    download::{self, Order, Rules},
    fault::Fault,
    process,
    sources::{self, Source},
};
use axum::serve::ListenerExt;
use cherokee_daemon::listen;
use cherokee_engine::{Compute, Engine, Options};
use cherokee_wire::worker::Download;
use std::{convert::Infallible, path::Path, sync::Arc, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Time between two looks at the engine's thread.
const LOOK: Duration = Duration::from_secs(1);
/// Time that idle connections get to close after the last query has ended.
const CLOSE: Duration = Duration::from_secs(2);

/// Lives until a signal ends it, or a fault.
pub async fn run(args: &Args) -> Result<(), Fault> {
    if args.check_device {
        return process::check_device(args);
    }
    // The HTTP client has none of its own. An error means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener =
        listen::bind(args.listen).await.map_err(|fault| Fault::Listen(format!("{}: {fault}", args.listen)))?;
    let address = listener.local_addr().map_err(|fault| Fault::Listen(fault.to_string()))?;
    tracing::info!(%address, "listening");
    let listener = listener.tap_io(|stream| {
        // A token is small and must not wait for the next one.
        let _ = stream.set_nodelay(true);
    });
    let app = App::new(unix_now());
    let stop = CancellationToken::new();
    let server = axum::serve(listener, api::router(app.clone())).with_graceful_shutdown(stop.clone().cancelled_owned());
    let server = tokio::spawn(server.into_future());
    tokio::select! {
        ended = end_signal() => ended?,
        lived = live(args, &app) => match lived? {},
    }
    drain(args, &app).await;
    stop.cancel();
    // Connections that stay open longer hold nothing that anybody waits for.
    let _ = timeout(CLOSE, server).await;
    Ok(())
}

/// Loads, then watches the engine.
async fn live(args: &Args, app: &App) -> Result<Infallible, Fault> {
    let engine = prepare(args, app).await?;
    let report = engine.report().clone();
    app.serve(engine);
    // Said only once it is true: who reads the log may ask at once.
    tracing::info!(
        models = report.models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(","),
        device = report.device.name,
        kind = ?report.device.kind,
        uuid = report.device.uuid,
        weights_mib = report.memory.weights >> 20,
        kv_cache_mib = report.memory.kv_cache >> 20,
        reserve_mib = report.memory.reserve >> 20,
        "serving"
    );
    loop {
        tokio::time::sleep(LOOK).await;
        if !app.alive() {
            return Err(Fault::Broken);
        }
    }
}

/// From arguments to a running engine. The device is opened first: without one nothing is downloaded.
async fn prepare(args: &Args, app: &App) -> Result<Engine, Fault> {
    let wanted = sources::wanted(args)?;
    let (choice, visible) = (args.device.into(), args.visible_devices.clone());
    let compute = blocking(move || Ok(Compute::open(choice, visible.as_deref())?)).await?;
    let rules = Arc::new(Rules { deny: args.model_deny_ranges.clone(), allow: args.model_allow_hosts.clone() });
    let mut files = Vec::new();
    for (name, source) in wanted {
        let file = match source {
            Source::Path(path) => sources::file(&name, &path, Path::new(sources::FOLDER))?,
            Source::Url { url, sha256 } => {
                let order = Order {
                    url,
                    sha256,
                    folder: args.model_cache.clone(),
                    token: token(args, &name)?,
                    max_bytes: sources::max_bytes(args, &name),
                    cache_max_bytes: args.model_cache_max_bytes,
                    rules: rules.clone(),
                    progress: progress(app, &name),
                };
                let file = download::fetch(&order).await?;
                app.downloading(None);
                file
            }
        };
        files.push((name, file));
    }
    let options = Options {
        context_tokens: args.context_tokens.and_then(|tokens| usize::try_from(tokens).ok()),
        sequences: args.max_sequences.into(),
        max_waiting: args.max_waiting.into(),
        memory_limit: args.memory_limit_mib.map(|mib| mib << 20),
        ..Options::default()
    };
    blocking(move || {
        let loaded = cherokee_engine::load(&files, &options, &compute)?;
        Ok(Engine::start(loaded, &options, compute)?)
    })
    .await
}

/// Shows a download's progress to those who ask the worker.
fn progress(app: &App, model: &str) -> download::Progress {
    let (app, model) = (app.clone(), model.to_owned());
    Arc::new(move |bytes, of| app.downloading(Some(Download { model: model.clone(), bytes, of })))
}

/// Stops accepting, and gives running queries their time.
async fn drain(args: &Args, app: &App) {
    let was = app.phase();
    app.drain();
    if was != Phase::Serving {
        return;
    }
    tracing::info!(seconds = args.drain_seconds, "draining");
    match timeout(Duration::from_secs(args.drain_seconds), app.drained()).await {
        Ok(()) => tracing::info!("drained"),
        Err(_) => {
            tracing::warn!(seconds = args.drain_seconds, "queries still run after the time to drain: they are cut");
        }
    }
}

/// The bearer token for the download of a model.
fn token(args: &Args, model: &str) -> Result<Option<String>, Fault> {
    let Some(path) = sources::token_file(args, model) else { return Ok(None) };
    let text = std::fs::read_to_string(path).map_err(|cause| Fault::Token { path: path.to_owned(), cause })?;
    Ok(Some(text.trim().to_owned()))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Fault::Broken))
}

/// Returns when SIGTERM or SIGINT comes.
async fn end_signal() -> Result<(), Fault> {
    let listen = |kind| signal(kind).map_err(|fault| Fault::Process(fault.to_string()));
    let (mut term, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
