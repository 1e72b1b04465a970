//! Proxies of the environment and of the kubeconfig, for the API server and for a gateway.

use crate::{
    plugin::{Plugin, Run, kubeconfig, plugin},
    standin::{Answer, Api, cluster, list},
    tunnel::Tunnel,
};
use serde_json::json;

/// A proxy that does not exist.
const NOBODY: &str = "http://proxy.invalid:3128";

fn api() -> Api {
    Api::start(|_| Answer::new(200, list(cluster("x"))))
}

/// `status` with a kubeconfig for `url`.
fn status(name: &str, url: &str, environment: &[(&str, &str)]) -> Run {
    environment.iter().fold(plugin(name, url), |plugin, (name, value)| plugin.env(name, value)).run(&["status"])
}

#[test]
fn a_server_on_loopback_is_never_asked_by_a_proxy() {
    let api = api();
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let run = status("loopback", &api.url(), &[(name, NOBODY)]);
        assert!(run.good, "{name}: {run:?}");
    }
    let localhost = api.url().replace("127.0.0.1", "localhost");
    let run = status("localhost", &localhost, &[("HTTP_PROXY", NOBODY)]);
    assert!(run.good, "{run:?}");
}

#[test]
fn a_server_beyond_is_asked_by_the_proxy_of_its_scheme() {
    let api = api();
    let proxy = Tunnel::start(&api.address);
    let run = status("beyond", "http://api.invalid:6443", &[("HTTP_PROXY", &proxy.url()), ("HTTPS_PROXY", NOBODY)]);
    assert!(run.good && proxy.asked() == ["CONNECT api.invalid:6443"], "{run:?}");
    // The tunnel leads to a server without TLS: here only the question counts.
    status("secure", "https://api.invalid", &[("https_proxy", &proxy.url()), ("HTTP_PROXY", NOBODY)]);
    assert_eq!(proxy.asked(), ["CONNECT api.invalid:443"]);
}

#[test]
fn no_proxy_is_about_the_server_and_may_have_empty_entries() {
    let api = api();
    let proxy = Tunnel::start(&api.address);
    let ask = |exempt: &str| {
        status("exempt", "http://api.invalid:6443", &[("HTTP_PROXY", &proxy.url()), ("NO_PROXY", exempt)]);
        proxy.asked().len()
    };
    for exempt in ["api.invalid", "invalid", ".invalid", "*.invalid:6443", "*", "a.b,,api.invalid,"] {
        assert_eq!(ask(exempt), 0, "{exempt}");
    }
    // The address of the proxy itself is no reason to go without it.
    for exempt in ["127.0.0.1", "127.0.0.0/8", "api.invalid:443", "other.invalid", ","] {
        assert_eq!(ask(exempt), 1, "{exempt}");
    }
}

#[test]
fn a_kubeconfigs_proxy_url_comes_before_the_environment() {
    let api = api();
    let proxy = Tunnel::start(&api.address);
    let cluster = json!({"server": "http://api.invalid:6443", "proxy-url": proxy.url()});
    let file = kubeconfig("proxy-url", cluster, json!({}));
    let run = Plugin::new(file.to_str().unwrap()).env("HTTP_PROXY", NOBODY).env("NO_PROXY", "*").run(&["status"]);
    assert!(run.good && proxy.asked() == ["CONNECT api.invalid:6443"], "{run:?}");
}

#[test]
fn a_proxy_url_that_is_none_is_named() {
    let file = kubeconfig("bad-proxy", json!({"server": "http://api.invalid", "proxy-url": "proxy:3128"}), json!({}));
    let run = Plugin::new(file.to_str().unwrap()).run(&["status"]);
    assert!(!run.good && run.told.contains("`proxy:3128`") && run.told.contains("socks5://"), "{run:?}");
}

#[test]
fn a_gateway_on_loopback_is_never_asked_by_a_proxy_and_one_beyond_is() {
    let refusal = json!({"error": {"message": "asleep", "type": "server_error"}});
    let gateway = Api::start(move |_| Answer::new(503, refusal.clone()));
    let proxy = Tunnel::start(&gateway.address);
    let ask = |url: &str, exempt: &str| {
        let plugin = Plugin::new("").env("HTTP_PROXY", &proxy.url()).env("NO_PROXY", exempt);
        plugin.run(&["query", "c", "hi", "--url", url])
    };
    let localhost = gateway.url().replace("127.0.0.1", "localhost");
    for url in [&gateway.url(), &localhost] {
        let run = ask(url, "");
        assert!(run.told.contains("asleep") && proxy.asked().is_empty(), "{run:?}");
    }
    ask("http://gateway.invalid", "invalid:80");
    assert!(proxy.asked().is_empty());
    ask("http://gateway.invalid", "");
    assert_eq!(proxy.asked(), ["POST http://gateway.invalid/v1/chat/completions"]);
}
