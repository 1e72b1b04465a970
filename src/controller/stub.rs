//! An API server in memory, for tests in the process of the operator: lists, watches, applies, and counts what it is asked.

use bytes::Bytes;
use futures::stream;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::sync::mpsc;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The server.
#[derive(Default)]
pub(super) struct Server(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    version: u64,
    /// By plural, namespace and name.
    objects: BTreeMap<(String, String, String), Value>,
    watches: Vec<Watch>,
    /// Kinds that it does not know.
    hidden: Vec<String>,
    /// Verb, path and body of every request but watches and the lists before them.
    asked: Vec<String>,
}

struct Watch {
    plural: String,
    namespace: Option<String>,
    labels: String,
    events: mpsc::UnboundedSender<Bytes>,
}

/// What a path names.
struct Target {
    plural: String,
    namespace: Option<String>,
    name: Option<String>,
    status: bool,
}

impl Server {
    /// A client of this server.
    pub(super) fn client(self: &Arc<Self>) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        Client::new(service, "default")
    }

    /// Stores an object as a user would.
    pub(super) fn put(&self, plural: &str, object: Value) -> Value {
        self.inner().put(plural, object)
    }

    /// One object.
    pub(super) fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        self.inner().objects.get(&(plural.into(), namespace.into(), name.into())).cloned()
    }

    /// Deletes an object as a user would.
    pub(super) fn delete(&self, plural: &str, namespace: &str, name: &str) {
        self.inner().delete(plural, namespace, name);
    }

    /// Knows no such kind, until it is asked to by none.
    pub(super) fn hide(&self, plurals: &[&str]) {
        self.inner().hidden = plurals.iter().map(|plural| (*plural).to_owned()).collect();
    }

    /// Watches of a kind that are open.
    pub(super) fn watches(&self, plural: &str) -> usize {
        let inner = self.inner();
        inner.watches.iter().filter(|watch| watch.plural == plural && !watch.events.is_closed()).count()
    }

    /// All requests but watches and their lists, as text.
    pub(super) fn asked(&self) -> Vec<String> {
        self.inner().asked.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let target = target(head.uri.path());
        let query = head.uri.query().unwrap_or_default().replace("%2F", "/").replace("%3D", "=").replace("%2C", ",");
        let parameter = |name: &str| {
            let found = query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name));
            found.map(|(_, value)| value.to_owned()).unwrap_or_default()
        };
        let labels = parameter("labelSelector");
        let mut inner = self.inner();
        if inner.hidden.contains(&target.plural) {
            return failure(404);
        }
        if target.name.is_none() && head.method == Method::GET {
            if parameter("watch") == "true" {
                return inner.watch(target, labels, parameter("resourceVersion").parse().unwrap_or(0));
            }
            let items = inner.matching(&target.plural, target.namespace.as_deref(), &labels);
            let version = inner.version.max(1).to_string();
            return whole(
                200,
                &json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items}),
            );
        }
        inner.asked.push(format!("{} {} {}", head.method, head.uri.path(), String::from_utf8_lossy(&body)));
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let namespace = target.namespace.unwrap_or_default();
        let name = target.name.or_else(|| body["metadata"]["name"].as_str().map(str::to_owned)).unwrap_or_default();
        let key = (target.plural.clone(), namespace.clone(), name.clone());
        let known = inner.objects.get(&key).cloned();
        match (head.method, known) {
            (Method::GET, Some(object)) => whole(200, &object),
            (Method::GET, None) => failure(404),
            (Method::POST, Some(_)) => failure(409),
            (Method::DELETE, _) => {
                inner.delete(&target.plural, &namespace, &name);
                whole(200, &json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
            }
            (_, known) => {
                let mut object = known.unwrap_or_default();
                if target.status {
                    object["status"] = body["status"].clone();
                } else {
                    merge(&mut object, body);
                }
                object["metadata"]["namespace"] = json!(namespace);
                whole(200, &inner.put(&target.plural, object))
            }
        }
    }
}

impl Inner {
    fn put(&mut self, plural: &str, mut object: Value) -> Value {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let key = (plural.to_owned(), text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
        let old = self.objects.get(&key);
        let generation = old.map_or(0, |old| old["metadata"]["generation"].as_i64().unwrap_or(0));
        let changed = old.is_none_or(|old| old["spec"] != object["spec"]);
        let event = if old.is_some() { "MODIFIED" } else { "ADDED" };
        self.version += 1;
        let meta = &mut object["metadata"];
        meta["resourceVersion"] = json!(self.version.to_string());
        meta["uid"] = json!(format!("{}-{}-{}", key.0, key.1, key.2));
        meta["creationTimestamp"] = json!("2026-11-24T12:00:00Z");
        meta["generation"] = json!(generation + i64::from(changed));
        // As the API server stores it.
        for (key, value) in object["stringData"].take().as_object().into_iter().flatten() {
            object["data"][key] = json!(k8s_openapi::ByteString(text(value).into_bytes()));
        }
        self.objects.insert(key.clone(), object.clone());
        self.tell(&key, event, &object);
        object
    }

    fn delete(&mut self, plural: &str, namespace: &str, name: &str) {
        let key = (plural.to_owned(), namespace.to_owned(), name.to_owned());
        if let Some(mut object) = self.objects.remove(&key) {
            self.version += 1;
            object["metadata"]["resourceVersion"] = json!(self.version.to_string());
            self.tell(&key, "DELETED", &object);
        }
    }

    fn tell(&mut self, (plural, namespace, _): &(String, String, String), event: &str, object: &Value) {
        let line = Bytes::from(format!("{}\n", json!({"type": event, "object": object})));
        let here = |watch: &&Watch| {
            watch.plural == *plural
                && watch.namespace.as_ref().is_none_or(|watched| watched == namespace)
                && selected(object, &watch.labels)
        };
        for watch in self.watches.iter().filter(here) {
            _ = watch.events.send(line.clone());
        }
    }

    fn matching(&self, plural: &str, namespace: Option<&str>, labels: &str) -> Vec<Value> {
        let here = self.objects.iter().filter(|((of, at, _), object)| {
            of == plural && namespace.is_none_or(|watched| watched == at) && selected(object, labels)
        });
        here.map(|(_, object)| object.clone()).collect()
    }

    fn watch(&mut self, target: Target, labels: String, since: u64) -> Answer {
        let (events, arriving) = mpsc::unbounded_channel();
        for object in self.matching(&target.plural, target.namespace.as_deref(), &labels) {
            let version: u64 = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
            if version > since {
                _ = events.send(Bytes::from(format!("{}\n", json!({"type": "MODIFIED", "object": object}))));
            }
        }
        self.watches.push(Watch { plural: target.plural, namespace: target.namespace, labels, events });
        let lines = stream::unfold(arriving, |mut arriving| async move {
            arriving.recv().await.map(|line| (Ok::<_, Infallible>(Frame::data(line)), arriving))
        });
        Response::new(StreamBody::new(lines).boxed_unsync())
    }
}

fn target(path: &str) -> Target {
    let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    parts.drain(..if parts[0] == "api" { 2 } else { 3 });
    let mut namespace = None;
    if parts[0] == "namespaces" && parts.len() > 2 {
        namespace = Some(parts[1].to_owned());
        parts.drain(..2);
    }
    let name = parts.get(1).map(|name| (*name).to_owned());
    Target { plural: parts[0].to_owned(), namespace, name, status: parts.get(2) == Some(&"status") }
}

fn selected(object: &Value, labels: &str) -> bool {
    labels.split(',').filter(|term| !term.is_empty()).all(|term| {
        let (key, value) = term.split_once('=').map_or((term, None), |(key, value)| (key, Some(value)));
        let found = object["metadata"]["labels"].get(key).and_then(Value::as_str);
        found.is_some() && value.is_none_or(|value| found == Some(value))
    })
}

fn merge(into: &mut Value, more: Value) {
    match more {
        Value::Object(fields) if into.is_object() => {
            for (key, value) in fields {
                merge(&mut into[key], value);
            }
        }
        other => *into = other,
    }
}

fn whole(status: u16, body: &Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string())).boxed_unsync());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

fn failure(status: u16) -> Answer {
    let reason = if status == 404 { "NotFound" } else { "AlreadyExists" };
    whole(
        status,
        &json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "message": "", "reason": reason}),
    )
}
