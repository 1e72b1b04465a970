//! An answer of the gateway, by whichever way it came.

use crate::kubectl::{
    Fault, causes,
    connect::{Proxies, Server},
};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use kube::client::Body;
use reqwest::Proxy;
use std::time::Duration;

const PATH: &str = "v1/chat/completions";

/// Head and body of an answer.
pub(super) enum Reply {
    Direct(reqwest::Response),
    Proxied(http::Response<Body>),
}

/// A client for questions at an address, by the proxies that kubectl would ask.
pub(super) fn client(timeout: Option<Duration>) -> Result<reqwest::Client, Fault> {
    let proxies = Proxies::of_environment();
    let proxy = move |url: &reqwest::Url| -> Option<String> {
        let proxy = proxies.of(&url.as_str().parse::<Uri>().ok()?)?.to_string();
        // By its other name a SOCKS proxy looks names up itself, which is what Go has it do.
        Some(proxy.strip_prefix("socks5://").map_or_else(|| proxy.clone(), |rest| format!("socks5h://{rest}")))
    };
    let mut builder = reqwest::Client::builder().no_proxy().proxy(Proxy::custom(proxy));
    if let Some(timeout) = timeout {
        builder = builder.timeout(timeout);
    }
    builder.build().map_err(Fault::new)
}

impl Reply {
    /// Asks at an address.
    pub(super) async fn direct(
        client: &reqwest::Client,
        url: &str,
        key: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Self, Fault> {
        let address = format!("{}/{PATH}", url.trim_end_matches('/').trim_end_matches("/v1"));
        let mut request = client.post(&address).header(CONTENT_TYPE, "application/json").body(body);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let failed =
            |error: reqwest::Error| Fault::new(format!("{address} does not answer: {}", causes(&error.without_url())));
        request.send().await.map(Self::Direct).map_err(failed)
    }

    /// Asks a Service through the API server, which needs no route into the cluster.
    pub(super) async fn proxied(server: &Server, service: &str, body: Vec<u8>) -> Result<Self, Fault> {
        let path = format!("/api/v1/namespaces/{}/services/http:{service}:80/proxy/{PATH}", server.namespace);
        let request =
            Request::post(path).header(CONTENT_TYPE, "application/json").body(Body::from(body)).map_err(Fault::new)?;
        Ok(server.client.send(request).await.map(Self::Proxied)?)
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Direct(response) => response.status(),
            Self::Proxied(response) => response.status(),
        }
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        match self {
            Self::Direct(response) => response.headers(),
            Self::Proxied(response) => response.headers(),
        }
    }

    /// The next piece of the body; none at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        let cut = |error: &dyn std::fmt::Display| Fault::new(format!("the answer was cut: {error}"));
        match self {
            Self::Direct(response) => response.chunk().await.map_err(|error| cut(&error)),
            Self::Proxied(response) => loop {
                match response.body_mut().frame().await {
                    None => return Ok(None),
                    Some(Err(error)) => return Err(cut(&error)),
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            return Ok(Some(data));
                        }
                    }
                }
            },
        }
    }

    /// The whole body.
    pub(super) async fn whole(&mut self) -> Result<Vec<u8>, Fault> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }
}
