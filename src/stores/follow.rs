//! One watch that feeds one store, for ever: it recovers by itself when the API server comes back, and a kind that is absent
//! or refused is asked for again with a growing pause.

use super::store::{Kept, Store, Turn};
use crate::name::Name;
use futures::StreamExt;
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use std::{fmt::Debug, pin::pin, sync::Arc, time::Duration};

/// First and longest pause before a kind that is absent or refused is asked for again.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_mins(1)];

/// Why a watch is begun anew.
enum End {
    Absent,
    Refused,
}

/// Follows all objects of `api` that `config` selects. `keep` makes of each what is stored, or nothing; `told` hears of each
/// change after it is stored.
pub(super) async fn follow<K, T>(
    api: Api<K>,
    config: watcher::Config,
    store: Arc<Store<T>>,
    keep: impl Fn(K) -> Option<T> + Send,
    told: impl Fn(&Turn<T>) + Send,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    T: Kept,
{
    let [first, longest] = PAUSES;
    let mut pause = first;
    loop {
        let mut events = pin!(watcher(api.clone(), config.clone()).default_backoff());
        while let Some(event) = events.next().await {
            let turns: Vec<Turn<T>> = match event {
                Ok(Event::Init) => {
                    store.begin();
                    Vec::new()
                }
                Ok(Event::InitDone) => {
                    pause = first;
                    store.complete()
                }
                Ok(Event::InitApply(object)) => one(object, &keep, &store, Store::listed),
                Ok(Event::Apply(object)) => one(object, &keep, &store, Store::applied),
                Ok(Event::Delete(object)) => {
                    let (name, uid) = (Name::of(object.meta()), object.meta().uid.clone());
                    store.gone(&name, uid.as_deref()).into_iter().collect()
                }
                Err(error) => match end(&error) {
                    Some(End::Absent) => {
                        tracing::debug!(path = api.resource_url(), "the API server does not have this kind");
                        store.absent().iter().for_each(&told);
                        break;
                    }
                    Some(End::Refused) => {
                        tracing::warn!(path = api.resource_url(), %error, "a watch is refused: grant it to the operator");
                        store.refused();
                        break;
                    }
                    None => {
                        tracing::warn!(path = api.resource_url(), %error, "a watch failed and is tried again");
                        Vec::new()
                    }
                },
            };
            turns.iter().for_each(&told);
        }
        tokio::time::sleep(pause).await;
        pause = longest.min(pause * 2);
    }
}

fn one<K: Resource, T: Kept>(
    object: K,
    keep: impl Fn(K) -> Option<T>,
    store: &Store<T>,
    put: impl Fn(&Store<T>, T) -> Option<Turn<T>>,
) -> Vec<Turn<T>> {
    let name = Name::of(object.meta());
    let turn = match keep(object) {
        Some(kept) => put(store, kept),
        // It no longer is one that is kept.
        None => store.gone(&name, None),
    };
    turn.into_iter().collect()
}

fn end(error: &watcher::Error) -> Option<End> {
    let (watcher::Error::InitialListFailed(kube::Error::Api(status))
    | watcher::Error::WatchStartFailed(kube::Error::Api(status))) = error
    else {
        return None;
    };
    match status.code {
        404 => Some(End::Absent),
        403 => Some(End::Refused),
        _ => None,
    }
}
