//! The ConfigMap `<cluster>-hints`: the one object that the daemon writes, and only when it changes.

use crate::Error;
use cherokee_wire::hints::{self, Hints, MemoryReport};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use std::collections::BTreeMap;

/// Field manager of what the daemon writes.
pub const FIELD_MANAGER: &str = "cherokee-autonomic";

/// Writes hints and report; without Kubernetes it writes nothing.
pub struct Publisher {
    api: Option<Api<ConfigMap>>,
    name: String,
}

impl Publisher {
    /// A publisher for `namespace`/`cluster` that writes through `client`.
    pub fn new(client: Option<Client>, namespace: &str, cluster: &str) -> Self {
        Self { api: client.map(|client| Api::namespaced(client, namespace)), name: format!("{cluster}-hints") }
    }

    /// Makes the ConfigMap say this. Leaves a report alone when there is none now. Waits, with a word at debug, while
    /// the operator has not made the ConfigMap yet.
    #[expect(clippy::disallowed_methods, reason = "hints are the one thing that the daemon may write")]
    pub async fn publish(&self, hints: &Hints, report: Option<&MemoryReport>) -> Result<(), Error> {
        let (Some(api), name) = (&self.api, self.name.as_str()) else { return Ok(()) };
        let fault = |error| Error::Kubernetes(name.to_owned(), Box::new(error));
        let Some(live) = api.get_opt(name).await.map_err(fault)? else {
            tracing::debug!(name, "waiting for the operator to make this ConfigMap");
            return Ok(());
        };
        let held = live.data.unwrap_or_default();
        let wanted = document(&held, hints, report);
        if wanted.iter().all(|(key, text)| held.get(key) == Some(text)) {
            return Ok(());
        }
        let object =
            serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": wanted});
        // Forced, because these keys are ours alone.
        api.patch(name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(object)).await.map_err(fault)?;
        tracing::info!(name, "hints written");
        Ok(())
    }
}

/// The keys to apply. A report that is not known now keeps its text: an apply without the key would remove it.
fn document(held: &BTreeMap<String, String>, hints: &Hints, report: Option<&MemoryReport>) -> BTreeMap<String, String> {
    // Neither can fail: plain structs with string keys.
    let hints = serde_json::to_string(hints).unwrap_or_default();
    let mut wanted = BTreeMap::from([(hints::KEY.to_owned(), hints)]);
    let report = match report {
        Some(report) => serde_json::to_string(report).ok(),
        None => held.get(MemoryReport::KEY).cloned(),
    };
    wanted.extend(report.map(|text| (MemoryReport::KEY.to_owned(), text)));
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{
        Router,
        extract::{Path, RawQuery, State},
        http::StatusCode,
        response::IntoResponse,
        routing::get,
    };
    use std::sync::{Arc, Mutex};

    /// A fake API server that holds one ConfigMap and counts the applies.
    #[derive(Clone, Default)]
    struct Server(Arc<Mutex<(Option<serde_json::Value>, Vec<String>)>>);

    impl Server {
        async fn client(&self) -> Client {
            let read = |State(server): State<Server>, Path((_, name)): Path<(String, String)>| async move {
                match server.0.lock().unwrap().0.clone() {
                    Some(map) if name == "owl-hints" => axum::Json(map).into_response(),
                    _ => {
                        let status = serde_json::json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
                            "message": "not found", "code": 404});
                        (StatusCode::NOT_FOUND, axum::Json(status)).into_response()
                    }
                }
            };
            let write = |State(server): State<Server>, RawQuery(query): RawQuery, body: String| async move {
                let mut held = server.0.lock().unwrap();
                held.0 = Some(serde_json::from_str(&body).unwrap());
                held.1.push(query.unwrap_or_default());
                body
            };
            let routes =
                Router::new().route("/api/v1/namespaces/{namespace}/configmaps/{name}", get(read).patch(write));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(axum::serve(listener, routes.with_state(self.clone())).into_future());
            Client::try_from(kube::Config::new(address.parse().unwrap())).unwrap()
        }
        fn applies(&self) -> usize {
            self.0.lock().unwrap().1.len()
        }
    }

    #[tokio::test]
    async fn it_waits_for_the_config_map_writes_once_and_again_only_when_something_changed() {
        let server = Server::default();
        let publisher = Publisher::new(Some(server.client().await), "forest", "owl");
        let (hints, report) = (Hints::default(), MemoryReport { hit_percent: Some(60), entries: 10_000 });
        publisher.publish(&hints, Some(&report)).await.unwrap();
        assert_eq!(server.applies(), 0, "there is no ConfigMap");

        server.0.lock().unwrap().0 =
            Some(serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owl-hints"}}));
        for _ in 0..3 {
            publisher.publish(&hints, Some(&report)).await.unwrap();
        }
        assert_eq!(server.applies(), 1);
        assert!(server.0.lock().unwrap().1[0].contains("fieldManager=cherokee-autonomic"));
        let data = server.0.lock().unwrap().0.clone().unwrap()["data"].clone();
        assert_eq!(
            data,
            serde_json::json!({"hints.json": r#"{"wake":{}}"#, "memory.json": r#"{"hitPercent":60,"entries":10000}"#})
        );

        publisher.publish(&hints, None).await.unwrap();
        assert_eq!(server.applies(), 1, "a memory that is away changes nothing");
        publisher.publish(&hints, Some(&MemoryReport { entries: 11_000, ..report })).await.unwrap();
        assert_eq!(server.applies(), 2);
    }
}
