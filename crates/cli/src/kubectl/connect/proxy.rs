//! Which proxy leads to an address, by the rules of Go's `net/http`, so that the plugin goes the way that kubectl goes. kube compares
//! `NO_PROXY` with the proxy's own address, and reqwest asks proxies for loopback addresses.

use crate::kubectl::Fault;
use http::Uri;
use ipnet::IpNet;
use std::net::IpAddr;

/// Schemes of proxies that Go knows.
const SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];

/// The proxies of the environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    /// For `http://` addresses.
    http: Option<String>,
    /// For `https://` addresses.
    https: Option<String>,
    /// Addresses to connect to directly, separated by commas.
    exempt: String,
}

impl Proxies {
    /// `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, each also in lower case.
    pub(crate) fn of_environment() -> Self {
        let read = |name: &str| {
            let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
            set(name).or_else(|| set(&name.to_lowercase()))
        };
        Self { http: read("HTTP_PROXY"), https: read("HTTPS_PROXY"), exempt: read("NO_PROXY").unwrap_or_default() }
    }

    /// The proxy for an address; none where the way is direct. A proxy that cannot be read is ignored.
    pub(crate) fn of(&self, address: &Uri) -> Option<Uri> {
        let (proxy, usual_port) = match address.scheme_str()? {
            "https" => (self.https.as_ref()?, 443),
            "http" => (self.http.as_ref()?, 80),
            _ => return None,
        };
        let host = address.host()?.trim_matches(['[', ']']).to_lowercase();
        let port = address.port_u16().unwrap_or(usual_port);
        if is_loopback(&host) || self.exempt.split(',').any(|entry| matches(entry, &host, port)) {
            return None;
        }
        known(proxy).or_else(|| known(&format!("http://{proxy}")))
    }
}

/// The proxy that a kubeconfig names as `proxy-url`. It holds for loopback addresses and those of `NO_PROXY` too.
pub(super) fn named(url: &str) -> Result<Uri, Fault> {
    known(url).ok_or_else(|| {
        Fault::new(format!("proxy-url `{url}` of the kubeconfig is not the address of a proxy"))
            .hint("write it as http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT")
    })
}

/// A proxy's address with a scheme that can be used. Both kinds of SOCKS leave the look-up of names to the proxy, as in Go.
fn known(url: &str) -> Option<Uri> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = SCHEMES.into_iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
    format!("{}://{rest}", scheme.trim_end_matches('h')).parse().ok()
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

/// Whether an entry of `NO_PROXY` is meant for a host in lower case.
fn matches(entry: &str, host: &str, port: u16) -> bool {
    let entry = entry.trim().to_lowercase();
    if entry == "*" {
        return true;
    }
    let address = host.parse().ok().map(|ip: IpAddr| ip.to_canonical());
    if let Ok(range) = entry.parse::<IpNet>() {
        return address.is_some_and(|ip| range.contains(&ip));
    }
    let (name, only) = split(&entry);
    if name.is_empty() || !(only.is_empty() || only == port.to_string()) {
        return false;
    }
    if let Ok(ip) = name.parse::<IpAddr>() {
        return address == Some(ip.to_canonical());
    }
    // `example.com` means the domain and what is below it, `.example.com` and `*.example.com` only what is below.
    let name = name.strip_prefix('*').filter(|below| below.starts_with('.')).unwrap_or(name);
    if name.starts_with('.') {
        return host.ends_with(name);
    }
    host == name || host.strip_suffix(name).is_some_and(|above| above.ends_with('.'))
}

/// Host and port of an entry; the port is empty where there is none. IPv6 addresses with a port stand in brackets.
fn split(entry: &str) -> (&str, &str) {
    if let Some((host, port)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, port.trim_start_matches(':'));
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, port),
        _ => (entry, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks_proxy(exempt: &str, address: &str) -> bool {
        let proxies = Proxies { http: Some("p:1".into()), https: Some("http://p:1".into()), exempt: exempt.into() };
        proxies.of(&address.parse().unwrap()).is_some()
    }

    #[test]
    fn an_exempt_server_is_asked_directly() {
        for (exempt, direct, by_proxy) in [
            ("*", &["https://a.b"][..], &[][..]),
            (
                "10.0.0.0/8, fd00::/8",
                &["https://10.1.2.3", "https://[fd00::1]"],
                &["https://11.0.0.1", "https://ten.10"],
            ),
            ("10.0.0.1,", &["https://10.0.0.1:6443"], &["https://10.0.0.2"]),
            ("10.0.0.1:6443", &["https://10.0.0.1:6443"], &["https://10.0.0.1"]),
            ("[fd00::1]:6443,fd00::2", &["https://[fd00::1]:6443", "https://[fd00::2]"], &["https://[fd00::1]"]),
            ("Example.com", &["https://example.com", "http://api.example.COM:1"], &["https://badexample.com"]),
            (".example.com", &["https://api.example.com"], &["https://example.com"]),
            ("*.example.com", &["https://api.example.com"], &["https://example.com"]),
            ("example.com:443", &["https://example.com"], &["https://example.com:6443", "http://example.com"]),
            (" ,, a.b", &["https://a.b"], &["https://c"]),
            ("", &["https://localhost", "http://127.0.0.1:80", "https://[::1]:6443"], &["https://my.localhost"]),
        ] {
            for address in direct {
                assert!(!asks_proxy(exempt, address), "NO_PROXY={exempt}: {address}");
            }
            for address in by_proxy {
                assert!(asks_proxy(exempt, address), "NO_PROXY={exempt}: {address}");
            }
        }
    }

    #[test]
    fn the_scheme_of_the_server_chooses_the_proxy() {
        let proxies = Proxies { http: None, https: Some("u:p@proxy:3128".into()), exempt: String::new() };
        let of = |address: &str| proxies.of(&address.parse().unwrap()).map(|proxy| proxy.to_string());
        assert_eq!(of("https://a").as_deref(), Some("http://u:p@proxy:3128/"));
        assert_eq!(of("http://a"), None);
    }

    #[test]
    fn a_kubeconfigs_proxy_has_a_scheme_that_is_known() {
        assert_eq!(named("socks5h://localhost:1080").unwrap().to_string(), "socks5://localhost:1080/");
        assert_eq!(named("HTTP://proxy:3128").unwrap().scheme_str(), Some("http"));
        assert!(named("proxy:3128").unwrap_err().message.contains("`proxy:3128`"));
        assert!(named("ftp://proxy").is_err());
    }
}
