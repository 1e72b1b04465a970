//! Downloads within the admin's limits: addresses, bytes, tokens; and servers that redirect, overlap or ask to wait.

use crate::{
    download::{content, order, rules},
    worker::run_to_end,
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use cherokee_worker::download::{Fault, Order, fetch};
use futures::stream;
use sha2::{Digest, Sha256};
use std::{
    convert::Infallible,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Path, query and headers of a request.
type Asked = (String, HeaderMap);

/// A server that behaves as the path says.
#[derive(Clone)]
struct Site {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Site {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let site = Self { port: listener.local_addr().expect("an address").port(), asked: Arc::default() };
        let router = Router::new().fallback(answer).with_state(site.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        site
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }
}

async fn answer(State(site): State<Site>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let headers = request.headers().clone();
    let first = {
        let mut asked = site.asked.lock().expect("no panic");
        asked.push((request.uri().to_string(), headers.clone()));
        asked.iter().filter(|(uri, _)| uri.contains(&path)).count() == 1
    };
    let content = content();
    let total = content.len();
    match path.as_str() {
        "/moved" => {
            let target = format!("http://localhost:{}/plain", site.port);
            (StatusCode::FOUND, [(header::LOCATION, target)]).into_response()
        }
        "/endless" => {
            let piece = Bytes::from(vec![7; 4096]);
            Body::from_stream(stream::repeat_with(move || Ok::<_, Infallible>(piece.clone()))).into_response()
        }
        "/busy" if first => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "2")]).into_response(),
        "/early" => {
            let range = headers[header::RANGE].to_str().expect("a text").to_owned();
            let have: usize = range["bytes=".len()..range.len() - 1].parse().expect("a number");
            let begin = have - 1000;
            let range = format!("bytes {begin}-{}/{total}", total - 1);
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, range)], content[begin..].to_vec()).into_response()
        }
        "/missing" => StatusCode::NOT_FOUND.into_response(),
        _ => content.into_response(),
    }
}

fn order_from(site: &Site, path: &str, folder: &Path) -> Order {
    order(site.url(path), &content(), folder)
}

/// The words of a refusal, which comes no sooner than every refusal.
async fn refusal(order: &Order) -> String {
    let begun = Instant::now();
    let fault = fetch(order).await.expect_err("it is denied");
    let took = begun.elapsed();
    assert!(matches!(fault, Fault::NotAllowed { .. }), "{fault}");
    assert!(took >= Duration::from_secs(5), "{took:?}");
    fault.to_string()
}

#[tokio::test]
async fn whatever_is_at_a_denied_address_the_refusal_says_and_lasts_the_same() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().expect("a folder"));
    let rules = rules(&["127.0.0.0/8", "::1/128"], &[]);
    let at = |url: String| Order { url, rules: rules.clone(), ..order_from(&site, "/", folder.path()) };
    let port = site.port;
    // There, not found, no TLS, closed, IPv4 in IPv6, this machine without a name, and a name without an address.
    let orders = [
        site.url("/plain"),
        site.url("/missing"),
        format!("https://127.0.0.1:{port}/plain"),
        "http://127.0.0.1:1/plain".to_owned(),
        format!("http://[::ffff:127.0.0.1]:{port}/plain"),
        format!("http://0.0.0.0:{port}/plain"),
        format!("http://localhost:{port}/plain"),
        "http://nowhere.invalid/plain".to_owned(),
    ]
    .map(at);
    let words = futures::future::join_all(orders.iter().map(async |order| {
        // A download waits for another one of the same digest: these must not.
        let folder = tempfile::tempdir().expect("a folder");
        let order = Order { folder: folder.path().to_owned(), ..order.clone() };
        let host = reqwest::Url::parse(&order.url).expect("an address").host_str().expect("a host").to_owned();
        refusal(&order).await.replace(&format!("`{host}`"), "HOST")
    }))
    .await;
    assert!(words.iter().all(|word| *word == words[0] && word.starts_with("HOST: address not allowed")), "{words:#?}");
    assert_eq!(site.asked().len(), 0, "nothing was connected to");
}

#[tokio::test]
async fn a_redirect_to_a_denied_address_is_refused_in_the_name_of_the_first_host() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().expect("a folder"));
    let allow = format!("127.0.0.1:{}", site.port);
    let rules = rules(&["127.0.0.0/8", "::1/128"], &[&allow]);
    let words = refusal(&Order { rules, ..order_from(&site, "/moved", folder.path()) }).await;
    assert!(words.starts_with("`127.0.0.1`: address not allowed") && !words.contains("localhost"), "{words}");
    assert_eq!(site.asked().len(), 1);
}

#[tokio::test]
async fn an_allowed_host_keeps_the_detail_of_its_failures() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().expect("a folder"));
    let order =
        Order { rules: rules(&["127.0.0.0/8"], &["127.0.0.1"]), ..order_from(&site, "/missing", folder.path()) };
    let fault = fetch(&order).await.expect_err("it is not there");
    assert!(matches!(fault, Fault::Refused { status: 404, .. }), "{fault}");
}

#[tokio::test]
async fn behind_a_proxy_the_proxy_decides() {
    let (proxy, folder) = (Site::start().await, tempfile::tempdir().expect("a folder"));
    let (address, cache) = (proxy.url(""), folder.path().to_str().expect("a plain path").to_owned());
    let ended = tokio::task::spawn_blocking(move || {
        let digest = format!("m={}", "0".repeat(64));
        let arguments = ["--model-url", "m=http://nowhere.invalid/plain", "--model-sha256", &digest, "--device", "cpu"];
        let limits = ["--model-cache", &cache, "--model-deny-range", "127.0.0.0/8"];
        let environment =
            [("http_proxy", address.as_str()), ("HTTP_PROXY", &address), ("no_proxy", ""), ("NO_PROXY", "")];
        run_to_end(&[&arguments[..], &limits].concat(), &environment)
    });
    let (_, message) = ended.await.expect("no panic");
    assert!(message.starts_with("ModelDigestWrong: "), "the file came: {message}");
    assert_eq!(proxy.asked()[0].0, "http://nowhere.invalid/plain");
}

#[tokio::test]
async fn the_program_ends_with_the_reason_that_an_address_is_denied() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().expect("a folder"));
    let (url, cache) = (format!("m={}", site.url("/plain")), folder.path().to_str().expect("a plain path").to_owned());
    let ended = tokio::task::spawn_blocking(move || {
        let digest = format!("m={}", "0".repeat(64));
        let arguments = ["--model-url", &url, "--model-sha256", &digest, "--model-cache", &cache, "--device", "cpu"];
        let limits = ["--model-deny-range", "127.0.0.0/8"];
        run_to_end(&[&arguments[..], &limits].concat(), &[("no_proxy", "*")])
    });
    let (code, message) = ended.await.expect("no panic");
    assert_eq!(code, Some(1));
    assert!(message.starts_with("ModelAddressNotAllowed: `127.0.0.1`: address not allowed"), "{message}");
}

#[tokio::test]
async fn a_file_beyond_a_limit_is_stopped_and_leaves_nothing_behind() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().expect("a folder"));
    std::fs::write(folder.path().join("other.gguf"), vec![0; 60_000]).expect("a file");
    for (path, max_bytes, cache_max_bytes, flag, limit) in [
        ("/plain", Some(399_999), None, "--model-max-bytes", 399_999),
        ("/endless", Some(50_000), Some(200_000), "--model-max-bytes", 50_000),
        ("/endless", Some(150_000), Some(200_000), "--model-cache-max-bytes", 140_000),
    ] {
        let most = Arc::new(Mutex::new(0));
        let seen = most.clone();
        let order = Order {
            max_bytes,
            cache_max_bytes,
            progress: Arc::new(move |bytes, _| *seen.lock().expect("no panic") = bytes),
            ..order_from(&site, path, folder.path())
        };
        let fault = fetch(&order).await.expect_err("it is too large");
        assert!(matches!(&fault, Fault::TooLarge { flag: f, limit: l, .. } if *f == flag && *l == limit), "{fault}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "only the other file is left");
        let most = *most.lock().expect("no panic");
        assert!(if path == "/plain" { most == 0 } else { most <= limit }, "{path}: {most} bytes were written");
    }
    let exact = Order { max_bytes: Some(400_000), ..order_from(&site, "/plain", folder.path()) };
    fetch(&exact).await.expect("a file of the very limit is fetched");
}

#[tokio::test]
async fn another_host_is_told_neither_the_first_address_nor_the_token() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().expect("a folder"));
    let order = Order {
        token: Some("secret".into()),
        rules: rules(&[], &["127.0.0.1", "localhost"]),
        ..order_from(&site, "/moved?signature=first", folder.path())
    };
    fetch(&order).await.expect("it is fetched");
    let asked = site.asked();
    let header = |at: usize, name| asked[at].1.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header(0, header::AUTHORIZATION), Some("Bearer secret"));
    assert_eq!((header(1, header::AUTHORIZATION), header(1, header::REFERER)), (None, None));
}

#[tokio::test]
async fn a_token_is_not_sent_over_http_unless_the_host_is_allowed() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().expect("a folder"));
    let order = Order { token: Some("secret".into()), ..order_from(&site, "/plain", folder.path()) };
    fetch(&order).await.expect("it is fetched");
    assert!(site.asked().iter().all(|(_, headers)| !headers.contains_key(header::AUTHORIZATION)));
}

#[tokio::test]
async fn a_range_that_begins_early_is_used_from_where_the_part_ends() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().expect("a folder"));
    let order = order_from(&site, "/early", folder.path());
    std::fs::write(folder.path().join(format!("{}.part", order.sha256)), &content()[..5000]).expect("a part");
    let path = fetch(&order).await.expect("it is fetched");
    assert_eq!(std::fs::read(path).expect("a file"), content());
    assert_eq!(site.asked().len(), 1);
}

#[tokio::test]
async fn a_server_that_asks_to_wait_is_asked_again_then() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().expect("a folder"));
    let begun = Instant::now();
    fetch(&order_from(&site, "/busy", folder.path())).await.expect("it is fetched");
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(site.asked().len(), 2);
}

#[tokio::test]
async fn a_model_without_a_token_is_not_fetched_with_that_of_another() {
    let (public, private) = (Site::start().await, Site::start().await);
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "secret\n").expect("a token");
    let urls = [format!("a={}", public.url("/plain")), format!("b={}", private.url("/moved"))];
    // The first file must come for the second to be asked for; it is no model, which is found out later.
    let sum = hex::encode(Sha256::digest(content()));
    let digests = [format!("a={sum}"), format!("b={}", "0".repeat(64))];
    let token = format!("b={}", token.display());
    let cache = folder.path().join("cache").to_str().expect("a plain path").to_owned();
    let ended = tokio::task::spawn_blocking(move || {
        let models = ["--model-url", &urls[0], "--model-url", &urls[1], "--device", "cpu", "--model-cache", &cache];
        let digests = ["--model-sha256", &digests[0], "--model-sha256", &digests[1]];
        let token =
            ["--model-token-file", &token, "--model-allow-host", "127.0.0.1", "--model-allow-host", "localhost"];
        run_to_end(&[&models[..], &digests, &token].concat(), &[("no_proxy", "*")])
    });
    let (_, message) = ended.await.expect("no panic");
    assert!(message.starts_with("ModelDigestWrong: "), "{message}");
    let tokens = |site: &Site| {
        let asked = site.asked().into_iter();
        asked.map(|(_, headers)| headers.contains_key(header::AUTHORIZATION)).collect::<Vec<_>>()
    };
    assert_eq!(tokens(&public), [false]);
    assert_eq!(tokens(&private), [true, false], "its own address, then the target of its redirect");
}
