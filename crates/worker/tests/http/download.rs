//! The downloader against a server that breaks off.

use crate::worker::{MODEL, Worker, client, model_path, run_to_end};
use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use cherokee_worker::download::{Fault, Order, Rules, fetch};
use futures::{StreamExt, stream};
use sha2::{Digest, Sha256};
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex},
};

/// `Range` and `Authorization` of a request.
type Asked = (Option<String>, Option<String>);

/// A server of one file.
#[derive(Clone)]
struct Files {
    content: Arc<Vec<u8>>,
    /// Bytes after which each answer breaks off.
    breaks_after: usize,
    knows_ranges: bool,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Files {
    fn new(content: Vec<u8>, breaks_after: usize) -> Self {
        Self { content: Arc::new(content), breaks_after, knows_ranges: true, asked: Arc::default() }
    }

    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().route("/model.gguf", get(answer)).with_state(self.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        format!("http://{address}/model.gguf?signature=secret")
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }

    fn ranges(&self) -> Vec<Option<String>> {
        self.asked().into_iter().map(|(range, _)| range).collect()
    }
}

async fn answer(State(files): State<Files>, headers: HeaderMap) -> Response {
    let read = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let range = read(header::RANGE);
    files.asked.lock().expect("no panic").push((range.clone(), read(header::AUTHORIZATION)));
    let total = files.content.len();
    let from = range
        .filter(|_| files.knows_ranges)
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let begin = from.unwrap_or(0);
    if begin >= total {
        return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    }
    let end = total.min(begin + files.breaks_after);
    let mut parts = vec![Ok(files.content[begin..end].to_vec())];
    if end < total {
        parts.push(Err(io::Error::other("the server breaks off")));
    }
    let status = if from.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let response = Response::builder()
        .status(status)
        .header(header::CONTENT_LENGTH, total - begin)
        .header(header::CONTENT_RANGE, format!("bytes {begin}-{}/{total}", total - 1));
    // A server that breaks off at once takes its unsent bytes with it: here they go out first.
    let parts = stream::iter(parts).then(async |part| {
        if part.is_err() {
            tokio::task::yield_now().await;
        }
        part
    });
    response.body(Body::from_stream(parts)).expect("a response")
}

pub(crate) fn content() -> Vec<u8> {
    (0..100_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

/// Rules that deny ranges and exempt hosts.
pub(crate) fn rules(deny: &[&str], allow: &[&str]) -> Arc<Rules> {
    Arc::new(Rules {
        deny: deny.iter().map(|range| range.parse().expect("a range")).collect(),
        allow: allow.iter().map(|host| host.parse().expect("a host")).collect(),
    })
}

pub(crate) fn order(url: String, content: &[u8], folder: &Path) -> Order {
    // A client of this process needs the provider that the program installs for itself.
    drop(client());
    Order {
        url,
        sha256: hex::encode(Sha256::digest(content)),
        folder: folder.to_owned(),
        token: None,
        max_bytes: None,
        cache_max_bytes: None,
        rules: Arc::default(),
        progress: Arc::new(|_, _| {}),
    }
}

#[tokio::test]
async fn a_download_goes_on_where_it_broke_and_is_fetched_once() {
    let (files, folder) = (Files::new(content(), 150_000), tempfile::tempdir().expect("a folder"));
    let order = Order {
        token: Some("secret".into()),
        rules: rules(&[], &["127.0.0.1"]),
        ..order(files.serve().await, &files.content, folder.path())
    };
    let path = fetch(&order).await.expect("it is fetched");
    assert_eq!(std::fs::read(&path).expect("a file"), *files.content);
    let ranges = files.ranges();
    assert!(ranges.len() >= 3, "{ranges:?}");
    assert_eq!(ranges[0], None);
    assert!(ranges[1..].iter().all(|range| range.as_ref().is_some_and(|range| range != "bytes=0-")), "{ranges:?}");
    assert!(files.asked().iter().all(|(_, token)| token.as_deref() == Some("Bearer secret")));

    assert_eq!(fetch(&order).await.expect("it is there"), path);
    assert_eq!(files.ranges().len(), ranges.len(), "a cached model is not asked for again");
}

#[tokio::test]
async fn a_process_that_was_killed_goes_on_from_its_part() {
    let (files, folder) = (Files::new(content(), usize::MAX / 2), tempfile::tempdir().expect("a folder"));
    let order = order(files.serve().await, &files.content, folder.path());
    std::fs::write(folder.path().join(format!("{}.part", order.sha256)), &files.content[..1000]).expect("a part");
    fetch(&order).await.expect("it is fetched");
    assert_eq!(files.ranges(), [Some("bytes=1000-".to_owned())]);
}

#[tokio::test]
async fn a_server_without_ranges_is_read_from_the_beginning() {
    let (mut files, folder) = (Files::new(content(), usize::MAX / 2), tempfile::tempdir().expect("a folder"));
    files.knows_ranges = false;
    let order = order(files.serve().await, &files.content, folder.path());
    std::fs::write(folder.path().join(format!("{}.part", order.sha256)), b"something else").expect("a part");
    let path = fetch(&order).await.expect("it is fetched");
    assert_eq!(std::fs::read(path).expect("a file"), *files.content);
}

#[tokio::test]
async fn a_wrong_digest_is_an_error_and_leaves_nothing_behind() {
    let (files, folder) = (Files::new(content(), usize::MAX / 2), tempfile::tempdir().expect("a folder"));
    let fault = fetch(&order(files.serve().await, b"other", folder.path())).await.expect_err("it is wrong");
    assert!(matches!(fault, Fault::WrongDigest { bytes: 400_000, .. }), "{fault}");
    assert!(!fault.to_string().contains("secret"), "{fault}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[tokio::test]
async fn a_refusal_for_good_is_not_tried_again() {
    let (files, folder) = (Files::new(content(), usize::MAX / 2), tempfile::tempdir().expect("a folder"));
    let url = files.serve().await.replace("model.gguf", "other.gguf");
    let fault = fetch(&order(url, &files.content, folder.path())).await.expect_err("it is not there");
    assert!(matches!(fault, Fault::Refused { status: 404, .. }), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_serves_a_model_that_it_fetched_over_breaks() {
    let model = std::fs::read(model_path()).expect("the model");
    let (files, folder) = (Files::new(model, 40_000_000), tempfile::tempdir().expect("a folder"));
    let url = format!("{MODEL}={}", files.serve().await);
    let digest = format!("{MODEL}={}", hex::encode(Sha256::digest(&*files.content)));
    let cache = folder.path().to_str().expect("a plain path");
    let arguments = ["--model-url", &url, "--model-sha256", &digest, "--model-cache", cache, "--device", "cpu"];
    // Until the model is there the worker lives, but is not ready.
    let worker = tokio::task::block_in_place(|| Worker::start(&arguments, &[("no_proxy", "*")]));
    assert_eq!(worker.get("/healthz").await.status(), 200);
    let loading = worker.get("/readyz").await;
    assert!(loading.status() == 503 || files.ranges().len() >= 3, "ready before the model is there");
    tokio::task::block_in_place(|| worker.logged("serving"));
    assert_eq!(worker.get("/readyz").await.status(), 200);
    assert!(files.ranges().len() >= 3);
}

#[tokio::test]
async fn the_program_ends_when_the_digest_is_wrong() {
    let (files, folder) = (Files::new(content(), usize::MAX / 2), tempfile::tempdir().expect("a folder"));
    let url = format!("m={}", files.serve().await);
    let digest = format!("m={}", "0".repeat(64));
    let cache = folder.path().to_str().expect("a plain path").to_owned();
    let ended = tokio::task::spawn_blocking(move || {
        let arguments = ["--model-url", &url, "--model-sha256", &digest, "--model-cache", &cache, "--device", "cpu"];
        run_to_end(&arguments, &[("no_proxy", "*")])
    });
    let (code, message) = ended.await.expect("no panic");
    assert_eq!(code, Some(1));
    assert!(message.starts_with("ModelDigestWrong: "), "{message}");
}
