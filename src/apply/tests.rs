//! The writer beside an API server of a few lines.

use super::*;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

type Objects = Arc<Mutex<BTreeMap<String, Value>>>;
type Log = Arc<Mutex<Vec<String>>>;

/// Objects by path; what was written, as `METHOD path`. `refuses` answers a write in place of the server.
#[derive(Clone)]
struct Server {
    objects: Objects,
    log: Log,
    refuses: fn(&str) -> Option<(u16, &'static str)>,
    /// What an admission webhook makes of every object that is written.
    webhook: fn(&mut Value),
}

impl Server {
    fn new() -> Self {
        Self { objects: Objects::default(), log: Log::default(), refuses: |_| None, webhook: |_| {} }
    }

    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (head, body) = request.into_parts();
                let bytes = body.collect().await.unwrap().to_bytes();
                let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                let (code, answer) = server.answer(&head.method, head.uri.path(), body);
                let response = Response::builder().status(code).body(Body::from(answer.to_string().into_bytes()));
                Ok::<_, std::convert::Infallible>(response.unwrap())
            }
        });
        Client::new(service, "n")
    }

    fn answer(&self, method: &Method, path: &str, body: Value) -> (u16, Value) {
        let status = |code: u16, message: &str| {
            let reason = if code == 404 { "NotFound" } else { "Forbidden" };
            (
                code,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}),
            )
        };
        let mut objects = self.objects.lock().unwrap();
        if method != Method::GET {
            self.log.lock().unwrap().push(format!("{method} {path}"));
            if let Some((code, message)) = (self.refuses)(path) {
                return status(code, message);
            }
        }
        let path = match body["metadata"]["name"].as_str() {
            Some(name) if method == Method::POST => format!("{path}/{name}"),
            _ => path.to_owned(),
        };
        match (method.as_str(), objects.get(&path)) {
            ("GET", Some(found)) => (200, found.clone()),
            ("GET" | "DELETE", None) => status(404, "not found"),
            ("POST", Some(_)) => status(409, "already exists"),
            ("DELETE", Some(_)) => {
                objects.remove(&path);
                (200, json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}))
            }
            (_, found) => {
                let mut object = found.cloned().unwrap_or_else(|| json!({}));
                merge(&mut object, &body);
                (self.webhook)(&mut object);
                objects.insert(path, object.clone());
                (200, object)
            }
        }
    }

    /// What was written since the last look.
    fn written(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    /// A pass over `children`, with the children as they are on this server.
    async fn pass(&self, children: Vec<Child>) -> Applied {
        let desired = Desired { accounts: children.clone(), ..Desired::default() };
        self.pass_to(desired, &children, &[]).await
    }

    /// A pass that sees `known` as they are on this server, and `pods`.
    async fn pass_to(&self, desired: Desired, known: &[Child], pods: &[Pod]) -> Applied {
        let mut live = Live::default();
        for child in known {
            if let Some(found) = self.objects.lock().unwrap().get(&path(child)) {
                live.insert(child.kind, &child.name, found.clone());
            }
        }
        let cluster = cluster();
        let (client, leadership) = (self.client(), Leadership::always());
        Writer::new(&client, &leadership, &cluster, live).apply(desired, pods, Utc::now()).await.unwrap()
    }

    fn has(&self, path: &str, body: Value) {
        self.objects.lock().unwrap().insert(path.to_owned(), body);
    }
}

fn merge(into: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else { return *into = patch.clone() };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            into.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut into[key], value);
        }
    }
}

fn path(child: &Child) -> String {
    let resource = child.kind.resource();
    let group = if resource.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", resource.group) };
    format!("{group}/{}/namespaces/n/{}/{}", resource.version, resource.plural, child.name)
}

fn cluster() -> CherokeeCluster {
    serde_json::from_value(json!({"apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster",
        "metadata": {"name": "c", "namespace": "n", "uid": "u"}, "spec": {"models": []}}))
    .unwrap()
}

fn child(kind: Kind, name: &str, body: Value) -> Child {
    let resource = kind.resource();
    let mut body = body;
    body["apiVersion"] = json!(resource.api_version);
    body["kind"] = json!(resource.kind);
    body["metadata"] = json!({"name": name, "namespace": "n", "annotations": {"cherokee.ai/rendered": "r"},
        "labels": {"cherokee.ai/cluster": "c", "app.kubernetes.io/managed-by": "cherokee-operator"},
        "ownerReferences": [{"uid": "u", "controller": true, "name": "c", "kind": "CherokeeCluster", "apiVersion": "cherokee.ai/v1alpha1"}]});
    Child { kind, name: name.into(), body }
}

fn one_of_each() -> Vec<Child> {
    Kind::ALL.map(|kind| child(kind, &format!("c-{}", kind.to_string().to_lowercase()), json!({}))).into()
}

#[tokio::test]
async fn a_refusal_of_any_kind_is_noted_and_the_others_are_written() {
    let server = Server { refuses: |_| Some((403, "exceeded quota")), ..Server::new() };
    let applied = server.pass(one_of_each()).await;
    let refused: Vec<_> = applied.refused().iter().map(|r| r.object.clone()).collect();
    let all: Vec<_> = one_of_each().iter().map(|c| format!("{} `{}`", c.kind, c.name)).collect();
    assert_eq!(refused, all);
    assert_eq!(server.written().len(), Kind::ALL.len());
}

#[tokio::test]
async fn an_object_of_another_is_never_written_and_an_orphan_is_adopted() {
    let server = Server::new();
    for (foreign, child) in one_of_each().iter().enumerate() {
        let mut body = child.body.clone();
        // With all of our labels and another's owner, or with nobody's of both.
        match foreign % 2 {
            0 => body["metadata"]["ownerReferences"][0]["uid"] = json!("other"),
            _ => body["metadata"] = json!({"name": child.name}),
        }
        server.objects.lock().unwrap().insert(path(child), body);
    }
    let applied = server.pass(one_of_each()).await;
    assert_eq!((applied.refused().len(), server.written()), (Kind::ALL.len(), vec![]));
    let orphan = child(Kind::Service, "c-gateway", json!({}));
    let mut body = orphan.body.clone();
    body["metadata"].as_object_mut().unwrap().remove("ownerReferences");
    server.objects.lock().unwrap().insert(path(&orphan), body);
    let applied = server.pass(vec![orphan.clone()]).await;
    assert!(applied.refused().is_empty());
    assert_eq!(server.objects.lock().unwrap()[&path(&orphan)]["metadata"]["ownerReferences"][0]["uid"], "u");
}

#[tokio::test]
async fn an_edit_is_put_back_once_and_then_nothing_is_written() {
    let server = Server::new();
    let service = child(Kind::Service, "c-gateway", json!({"spec": {"selector": {"app": "c"}}}));
    let map = child(Kind::ConfigMap, "c-layout", json!({"data": {"a": "b"}}));
    let all = vec![service.clone(), map.clone()];
    server.pass(all.clone()).await;
    assert_eq!(server.written().len(), 2);
    server.objects.lock().unwrap().get_mut(&path(&service)).unwrap()["spec"]["selector"]["no"] = json!("such");
    server.objects.lock().unwrap().get_mut(&path(&map)).unwrap()["immutable"] = json!(true);
    server.pass(all.clone()).await;
    let (service, map) = (path(&service), path(&map));
    assert_eq!(server.written(), [format!("PATCH {service}"), format!("DELETE {map}"), format!("PATCH {map}")]);
    assert_eq!(server.objects.lock().unwrap()[&service]["spec"]["selector"], json!({"app": "c"}));
    assert_eq!(server.objects.lock().unwrap()[&map].get("immutable"), None);
    server.pass(all).await;
    assert_eq!(server.written(), Vec::<String>::new());
}

#[tokio::test]
async fn an_admission_webhook_is_not_fought() {
    let server = Server { webhook: |object| object["spec"]["paused"] = json!(true), ..Server::new() };
    let deployment = vec![child(Kind::Deployment, "c-gateway", json!({"spec": {"replicas": 1}}))];
    for _ in 0..2 {
        server.pass(deployment.clone()).await;
    }
    assert!(!server.written().is_empty());
    server.pass(deployment.clone()).await;
    assert_eq!(server.written(), Vec::<String>::new(), "its answer to our own write is left");
}

#[tokio::test]
async fn what_is_being_deleted_is_named_and_not_written() {
    let server = Server::new();
    let slot = child(Kind::Deployment, "c-slot", json!({"spec": {"replicas": 1}}));
    let mut body = slot.body.clone();
    body["metadata"]["deletionTimestamp"] = json!("2026-11-24T12:00:00Z");
    body["metadata"]["finalizers"] = json!(["example.org/hold"]);
    server.objects.lock().unwrap().insert(path(&slot), body);
    let applied = server.pass(vec![slot]).await;
    assert_eq!((applied.refused()[0].reason, server.written()), (names::reason::DELETING, vec![]));
    assert!(applied.refused()[0].message.contains("`example.org/hold`"), "{}", applied.refused()[0].message);
}

const PASSWORD: &str = "/api/v1/namespaces/n/secrets/c-memory-password";

#[tokio::test]
async fn the_password_goes_with_the_redis_that_it_belongs_to() {
    let redis = child(Kind::StatefulSet, "c-memory", json!({}));
    for (uid, deleted) in [("u", true), ("other", false)] {
        let server = Server::new();
        server.has(&path(&redis), redis.body.clone());
        let owner = json!([{"uid": uid, "controller": true, "name": "c", "kind": "x", "apiVersion": "x"}]);
        server.has(
            PASSWORD,
            json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {"name": "c-memory-password", "uid": "p", "ownerReferences": owner}}),
        );
        server.pass_to(Desired::default(), std::slice::from_ref(&redis), &[]).await;
        let expected = [deleted.then(|| format!("DELETE {PASSWORD}")), Some(format!("DELETE {}", path(&redis)))];
        assert_eq!(server.written(), expected.into_iter().flatten().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_pod_that_keeps_redis_from_its_newest_revision_is_deleted() {
    let server = Server::new();
    let redis = child(Kind::StatefulSet, "c-memory", json!({}));
    let mut body = redis.body.clone();
    body["metadata"]["uid"] = json!("s");
    body["status"] = json!({"updateRevision": "b", "replicas": 1});
    server.has(&path(&redis), body);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "c-memory-0", "uid": "p",
        "labels": {"controller-revision-hash": "a"}, "creationTimestamp": "2026-11-24T12:00:00Z",
        "ownerReferences": [{"uid": "s", "controller": true, "name": "c-memory", "kind": "StatefulSet", "apiVersion": "apps/v1"}]},
        "status": {}});
    let path = "/api/v1/namespaces/n/pods/c-memory-0";
    server.has(path, pod.clone());
    let desired = Desired { memory: vec![redis.clone()], ..Desired::default() };
    let applied = server.pass_to(desired, &[redis], &[serde_json::from_value(pod).unwrap()]).await;
    assert_eq!((server.written(), applied.refused()), (vec![format!("DELETE {path}")], &[][..]));
    assert!(applied.waiting());
}
