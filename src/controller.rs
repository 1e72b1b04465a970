//! What wakes a pass: the resource, its children and pods, nodes, devices, claims, and the wall clock. A wake-up carries a
//! name, never a reason.

mod changes;

use crate::{error::Error, operator::Operator, render::Kind};
use changes::{changed, claim_state, is_foreign, node_state, pod_state, slice_state};
use cherokee_api::{
    CherokeeCluster,
    names::{self, label},
};
use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::{
    core::v1::{Node, Pod},
    resource::v1::{ResourceClaim, ResourceSlice},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::DynamicObject,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::{
        controller::{Action, Config, Controller, Error as ControlError},
        reflector::ObjectRef,
        watcher,
    },
};
use serde::de::DeserializeOwned;
use std::{fmt::Debug, sync::Arc, time::Duration};
use tokio::sync::watch;

type Guarded = DeserializeGuard<CherokeeCluster>;

/// Time for a burst of changes to become one pass.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// Passes over different clusters at once.
const CONCURRENCY: u16 = 4;
/// Time between two comparisons of the wall clock with what is due.
const TICK: Duration = Duration::from_secs(10);
/// Version of the API by which devices are published.
const DEVICES: &str = "resource.k8s.io/v1";

/// Runs passes until `stop` says so. No namespaces: all of them. `ready` turns true once the resources were listed.
pub(crate) async fn run(
    op: Arc<Operator>,
    namespaces: &[String],
    stop: watch::Receiver<bool>,
    ready: &watch::Sender<bool>,
) {
    let scopes: Vec<Option<&str>> = match namespaces {
        [] => vec![None],
        some => some.iter().map(|n| Some(n.as_str())).collect(),
    };
    // A watch of an API that is not there would slow down all the others by its errors.
    let devices = op.client.list_api_group_resources(DEVICES).await.is_ok();
    let controllers = scopes.into_iter().map(|scope| controller(&op, scope, devices, stop.clone()));
    let (stores, runs): (Vec<_>, Vec<_>) = controllers.map(|c| (c.store(), start(c, op.clone()))).unzip();
    let work = stream::select_all(runs).for_each(|()| async {});
    let listed = async {
        // Polled beside the work: a waiter in a task of its own may never be woken.
        for store in &stores {
            if store.wait_until_ready().await.is_err() {
                return;
            }
        }
        ready.send_replace(true);
        tracing::info!("watching");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = work => {}
        () = listed => {}
    }
}

fn controller(
    op: &Operator,
    scope: Option<&str>,
    devices: bool,
    mut stop: watch::Receiver<bool>,
) -> Controller<Guarded> {
    let client = &op.client;
    let controller = Controller::new(api::<Guarded>(client, scope), watcher::Config::default())
        .with_config(Config::default().debounce(DEBOUNCE).concurrency(CONCURRENCY))
        .graceful_shutdown_on(async move { _ = stop.wait_for(|stop| *stop).await });
    let controller = Kind::ALL.into_iter().filter(|kind| devices || *kind != Kind::ResourceClaimTemplate).fold(
        controller,
        |controller, kind| {
            let resource = kind.resource();
            let api: Api<DynamicObject> = match scope {
                Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
                None => Api::all_with(client.clone(), &resource),
            };
            let ours = watcher::Config::default().labels(&format!("{}={}", label::MANAGED_BY, names::MANAGED_BY));
            controller.watches_with(api, resource, ours, |child| owner(&child))
        },
    );
    let ours = watcher::Config::default().labels(label::CLUSTER);
    let controller = controller
        .watches(api::<Pod>(client, scope), ours, |pod| owner(&pod))
        .reconcile_all_on(changed(Api::<Node>::all(client.clone()), node_state).map(drop))
        .reconcile_all_on(
            changed(Api::<Pod>::all(client.clone()), pod_state)
                .filter(|pod| std::future::ready(is_foreign(pod)))
                .map(drop),
        );
    if !devices {
        return controller;
    }
    controller
        .reconcile_all_on(changed(Api::<ResourceSlice>::all(client.clone()), slice_state).map(drop))
        .reconcile_all_on(changed(Api::<ResourceClaim>::all(client.clone()), claim_state).map(drop))
}

fn start(controller: Controller<Guarded>, op: Arc<Operator>) -> impl Stream<Item = ()> + Unpin {
    let ticks = {
        let op = op.clone();
        stream::unfold((), |()| async { Some((tokio::time::sleep(TICK).await, ())) })
            .filter(move |()| std::future::ready(op.overdue()))
    };
    controller.reconcile_all_on(ticks).run(reconcile, again, op).map(told).boxed()
}

async fn reconcile(object: Arc<Guarded>, op: Arc<Operator>) -> Result<Action, Error> {
    match &object.0 {
        Ok(cluster) => {
            op.reconcile(&cluster.namespace().unwrap_or_default(), &cluster.name_any()).await.map(Action::requeue)
        }
        Err(invalid) => op.unreadable(&invalid.metadata, &invalid.error).await.map(|()| Action::await_change()),
    }
}

fn again(object: Arc<Guarded>, _: &Error, op: Arc<Operator>) -> Action {
    Action::requeue(op.backoff(&object.namespace().unwrap_or_default(), &object.name_any()))
}

fn told(result: Result<(ObjectRef<Guarded>, Action), ControlError<Error, watcher::Error>>) {
    match result {
        // Failed passes have spoken; objects that are gone are no error.
        Ok(_) | Err(ControlError::ReconcilerFailed(..) | ControlError::ObjectNotFound(_)) => {}
        Err(error) => tracing::warn!(%error, "a watch failed and is tried again"),
    }
}

/// The cluster that a child or pod belongs to, by its label.
fn owner<K: ResourceExt>(child: &K) -> Option<ObjectRef<Guarded>> {
    let cluster = child.labels().get(label::CLUSTER)?;
    Some(ObjectRef::new(cluster).within(&child.namespace()?))
}

fn api<K>(client: &Client, scope: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    match scope {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}
