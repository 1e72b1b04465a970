//! Which addresses a download may connect to, and a client that can connect to these only.

use super::causes::words;
use axum::http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use ipnet::IpNet;
use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

/// A connection that gives no byte for this long is broken.
const STALLED: Duration = Duration::from_secs(30);
/// A server that does not take a connection for this long is away; a name that takes longer does not resolve.
const CONNECT: Duration = Duration::from_secs(10);
/// Every refusal takes this long, so that its time tells nothing about a name; names that do not resolve are looked up
/// again until then.
const REFUSAL: Duration = Duration::from_secs(5);
/// Time between two look-ups of a name.
const LOOKUP_PAUSE: Duration = Duration::from_millis(500);

/// A host that is exempt from the denied ranges: `HOST` on every port, or `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name in lower case, or address; IPv6 in brackets.
    name: String,
    /// Every port if none.
    port: Option<u16>,
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not HOST or HOST:PORT, as models.example:8443 or [2001:db8::1]");
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !text.ends_with(']') => (host, Some(port.parse().map_err(|_| wrong())?)),
            _ => (text, None),
        };
        // Through the same parser as addresses of models, so that both spell a host alike.
        let url = Url::parse(&format!("http://{host}/")).map_err(|_| wrong())?;
        let name = url.host_str().filter(|_| url.path() == "/" && url.port().is_none()).ok_or_else(wrong)?;
        Ok(Self { name: name.to_owned(), port })
    }
}

/// The admin's limits on addresses. The default denies nothing.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Ranges that are not connected to.
    pub deny: Vec<IpNet>,
    /// Hosts that are exempt from `deny`, and may get a token over `http://`.
    pub allow: Vec<Host>,
}

impl Rules {
    /// Whether the host of an address is allowed by name.
    pub(super) fn names(&self, url: &Url) -> bool {
        self.allow.iter().any(|host| {
            url.host_str() == Some(&host.name) && host.port.is_none_or(|port| url.port_or_known_default() == Some(port))
        })
    }

    /// Whether an address is in no denied range, in none of its spellings.
    fn permits(&self, address: IpAddr) -> bool {
        let embedded = match address {
            IpAddr::V4(address) => address.is_unspecified().then_some(Ipv4Addr::LOCALHOST.into()),
            // Connecting to `::` reaches this machine, as connecting to `0.0.0.0` does.
            IpAddr::V6(address) if address.is_unspecified() => Some(Ipv6Addr::LOCALHOST.into()),
            IpAddr::V6(address) => embedded(address).map(IpAddr::V4),
        };
        let denied = |address: &IpAddr| self.deny.iter().any(|range| range.contains(address));
        !denied(&address) && !embedded.as_ref().is_some_and(denied)
    }
}

/// The IPv4 address inside an IPv6 one: mapped (`::ffff:0:0/96`), NAT64 (`64:ff9b::/96`) or 6to4 (`2002::/16`).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let at = |from: usize| Ipv4Addr::new(octets[from], octets[from + 1], octets[from + 2], octets[from + 3]);
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(at(12)),
        [0x2002, ..] => Some(at(2)),
        _ => address.to_ipv4_mapped(),
    }
}

/// Why there is no client.
#[derive(Debug)]
pub(super) enum Error {
    /// Denied, or a name without an address where anything is denied.
    NotAllowed,
    /// What may be otherwise soon.
    MayPass(String),
}

/// A client for one request to `url`. It follows no redirects.
///
/// Where the environment names a proxy for `url`, the proxy decides what may be connected to. Else the client connects to
/// the very addresses that were checked here: a name that resolves otherwise a moment later changes nothing.
pub(super) async fn client(rules: &Rules, url: &Url) -> Result<Client, Error> {
    let builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT)
        .read_timeout(STALLED);
    let proxied = url.as_str().parse::<Uri>().is_ok_and(|uri| Matcher::from_env().intercept(&uri).is_some());
    let builder = if proxied {
        builder
    } else {
        builder.no_proxy().dns_resolver(Arc::new(Checked(addresses(rules, url).await?)))
    };
    builder.build().map_err(|fault| Error::MayPass(words(fault)))
}

/// The addresses of a host that may be connected to, at least one.
async fn addresses(rules: &Rules, url: &Url) -> Result<Vec<SocketAddr>, Error> {
    if rules.deny.is_empty() || rules.names(url) {
        let found = timeout(CONNECT, lookup(url)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        return found.map_err(|fault| Error::MayPass(format!("its name does not resolve: {fault}")));
    }
    let end = Instant::now() + REFUSAL;
    while Instant::now() < end {
        if let Ok(Ok(mut found)) = timeout_at(end, lookup(url)).await {
            found.retain(|address| rules.permits(address.ip()));
            if !found.is_empty() {
                return Ok(found);
            }
            break;
        }
        sleep(LOOKUP_PAUSE).await;
    }
    sleep_until(end).await;
    Err(Error::NotAllowed)
}

/// All addresses of a host.
async fn lookup(url: &Url) -> io::Result<Vec<SocketAddr>> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    Ok(tokio::net::lookup_host((plain, port)).await?.collect())
}

/// Answers every look-up of a client with the addresses that were checked. Literal addresses are never looked up: the
/// address that was checked is the one in the URL.
struct Checked(Vec<SocketAddr>);

impl Resolve for Checked {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(deny: &[&str], allow: &[&str]) -> Rules {
        Rules {
            deny: deny.iter().map(|range| range.parse().expect("a range")).collect(),
            allow: allow.iter().map(|host| host.parse().expect("a host")).collect(),
        }
    }

    #[test]
    fn a_range_is_denied_in_all_spellings_of_its_addresses() {
        let rules = rules(&["10.0.0.0/8", "127.0.0.0/8", "::1/128"], &[]);
        let denied = ["10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "2002:a00:1::1", "0.0.0.0", "::", "::1"];
        for address in denied {
            assert!(!rules.permits(address.parse().expect("an address")), "{address}");
        }
        for address in ["11.0.0.1", "::ffff:11.0.0.1", "64:ff9b::11.0.0.1", "2002:b00:1::1", "2001:db8::1"] {
            assert!(rules.permits(address.parse().expect("an address")), "{address}");
        }
    }

    #[test]
    fn a_host_is_allowed_on_its_port_however_it_is_spelled() {
        let rules = rules(&[], &["Models.example:8443", "plain.example", "127.0.0.1:80", "[::1]"]);
        let names = |url: &str| rules.names(&Url::parse(url).expect("an address"));
        for url in
            ["https://models.EXAMPLE:8443/m", "http://plain.example:81/m", "http://2130706433/m", "https://[0::1]/m"]
        {
            assert!(names(url), "{url}");
        }
        for url in ["https://models.example/m", "https://other.models.example:8443/m", "http://127.0.0.1:81/m"] {
            assert!(!names(url), "{url}");
        }
        for text in ["", "a/b", "a:x", "http://a", "a:1:2"] {
            assert!(text.parse::<Host>().is_err(), "{text}");
        }
    }
}
