//! Binding the address that a program serves on.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};
use tokio::net::TcpListener;

/// Binds `address`. `[::]` serves IPv4 and IPv6; on a machine without IPv6 the same port of `0.0.0.0` is bound instead.
///
/// The error is that of `address`, also when binding `0.0.0.0` failed after it.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    bind_by(address, TcpListener::bind).await
}

async fn bind_by<L, F>(address: SocketAddr, bind: impl Fn(SocketAddr) -> F) -> io::Result<L>
where
    F: Future<Output = io::Result<L>>,
{
    let error = match bind(address).await {
        Ok(listener) => return Ok(listener),
        Err(error) => error,
    };
    // A taken or forbidden port says nothing about IPv6, and must not be served by halves.
    let port_refused = matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied);
    if address.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED) || port_refused {
        return Err(error);
    }
    let fallback = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    match bind(fallback).await {
        Ok(listener) => {
            tracing::info!(%address, %fallback, %error, "no IPv6 on this machine, listening on IPv4 only");
            Ok(listener)
        }
        Err(_) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use tokio::net::TcpStream;

    /// Binds on a machine where every IPv6 address fails with `error`; answers what was tried, and what came of it.
    async fn without_ipv6(address: &str, error: io::ErrorKind) -> (Vec<String>, Result<SocketAddr, io::ErrorKind>) {
        let tried = RefCell::new(Vec::new());
        let bound = bind_by(address.parse().unwrap(), |address: SocketAddr| {
            tried.borrow_mut().push(address.to_string());
            std::future::ready(if address.is_ipv6() { Err(io::Error::from(error)) } else { Ok(address) })
        })
        .await;
        (tried.into_inner(), bound.map_err(|error| error.kind()))
    }

    #[tokio::test]
    async fn a_machine_without_ipv6_serves_the_same_port_on_ipv4() {
        let (tried, bound) = without_ipv6("[::]:8080", io::ErrorKind::Unsupported).await;
        assert_eq!(tried, ["[::]:8080", "0.0.0.0:8080"]);
        assert_eq!(bound, Ok("0.0.0.0:8080".parse().unwrap()));
    }

    #[tokio::test]
    async fn only_the_address_for_both_falls_back_and_only_for_lack_of_ipv6() {
        for (address, error) in [
            ("[::1]:8080", io::ErrorKind::Unsupported),
            ("[::]:8080", io::ErrorKind::AddrInUse),
            ("[::]:80", io::ErrorKind::PermissionDenied),
        ] {
            assert_eq!(without_ipv6(address, error).await, (vec![address.to_owned()], Err(error)), "{address}");
        }
    }

    #[tokio::test]
    async fn the_address_for_both_is_reached_by_ipv4() {
        let listener = bind("[::]:0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    }
}
