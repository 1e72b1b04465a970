//! What wakes a pass: the resource, its children and pods, nodes, devices, claims, and the wall clock. A wake-up carries a
//! name, never a reason.

mod changes;

use crate::{error::Error, operator::Operator, render::Kind};
use changes::{changed, claim_state, hold_state, is_foreign, node_state, pod_state, slice_state, touched};
use cherokee_api::{
    CherokeeCluster, GpuHold,
    names::{self, label},
};
use futures::{
    Stream, StreamExt,
    future::{self, Ready},
    stream,
};
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
    let controllers = scopes.into_iter().map(|scope| controller(&op.client, scope, stop.clone()));
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
        future::pending::<()>().await;
    };
    tokio::select! {
        () = work => {}
        () = listed => {}
    }
}

fn controller(client: &Client, scope: Option<&str>, mut stop: watch::Receiver<bool>) -> Controller<Guarded> {
    let controller = Controller::new(api::<Guarded>(client, scope), watcher::Config::default())
        .with_config(Config::default().debounce(DEBOUNCE).concurrency(CONCURRENCY))
        .graceful_shutdown_on(async move { _ = stop.wait_for(|stop| *stop).await });
    let controller = Kind::ALL.into_iter().fold(controller, |controller, kind| {
        let resource = kind.resource();
        let api: Api<DynamicObject> = match scope {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        let ours = watcher::Config::default().labels(&format!("{}={}", label::MANAGED_BY, names::MANAGED_BY));
        controller.reconcile_on(touched(api, ours).filter_map(owner))
    });
    let ours = watcher::Config::default().labels(label::CLUSTER);
    let all = watcher::Config::default;
    controller
        .reconcile_on(touched(api::<Pod>(client, scope), ours).filter_map(owner))
        .reconcile_all_on(changed(Api::<Node>::all(client.clone()), all(), node_state).map(drop))
        .reconcile_all_on(
            changed(Api::<Pod>::all(client.clone()), all(), pod_state)
                .filter(|pod| future::ready(is_foreign(pod)))
                .map(drop),
        )
        // A device that one cluster gives up may be what another cluster waits for.
        .reconcile_all_on(changed(Api::<GpuHold>::all(client.clone()), all(), hold_state).map(drop))
        .reconcile_all_on(changed(Api::<ResourceSlice>::all(client.clone()), all(), slice_state).map(drop))
        .reconcile_all_on(changed(Api::<ResourceClaim>::all(client.clone()), all(), claim_state).map(drop))
}

fn start(controller: Controller<Guarded>, op: Arc<Operator>) -> impl Stream<Item = ()> + Unpin {
    let ticks = {
        let op = op.clone();
        stream::unfold((), |()| async { Some((tokio::time::sleep(TICK).await, ())) })
            .filter(move |()| future::ready(op.overdue()))
    };
    controller.reconcile_all_on(ticks).run(reconcile, again, op.clone()).map(move |result| told(&op, result)).boxed()
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

fn told(op: &Operator, result: Result<(ObjectRef<Guarded>, Action), ControlError<Error, watcher::Error>>) {
    match result {
        // Failed passes have spoken.
        Ok(_) | Err(ControlError::ReconcilerFailed(..)) => {}
        Err(ControlError::ObjectNotFound(gone)) => op.forget(gone.namespace.as_deref().unwrap_or_default(), &gone.name),
        Err(error) => tracing::warn!(%error, "a watch failed and is tried again"),
    }
}

/// The cluster that a child or pod belongs to, by its label.
fn owner<K: ResourceExt>(child: K) -> Ready<Option<ObjectRef<Guarded>>> {
    let named = child.labels().get(label::CLUSTER).zip(child.namespace());
    future::ready(named.map(|(cluster, namespace)| ObjectRef::new(cluster).within(&namespace)))
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
