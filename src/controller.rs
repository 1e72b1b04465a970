//! Runs the passes that are due, a few at a time, while the watches fill the stores.

use crate::{name::Name, operator::Operator, queue::Next};
use futures::FutureExt;
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinSet, time::Instant};

/// Time between two comparisons of the wall clock with what is due: timers do not advance while the machine is paused.
const TICK: Duration = Duration::from_secs(10);

/// Runs passes until `stop` says so, and ends when those that run have ended. `ready` turns true once everything was listed.
pub(crate) async fn run(op: Arc<Operator>, mut stop: watch::Receiver<bool>, ready: &watch::Sender<bool>) {
    let work = async {
        tokio::select! {
            () = op.listed() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        ready.send_replace(true);
        tracing::info!("watching");
        passes(&op, stop.clone()).await;
    };
    tokio::select! {
        () = op.watch() => {}
        () = work => {}
    }
}

async fn passes(op: &Arc<Operator>, mut stop: watch::Receiver<bool>) {
    let mut running = JoinSet::new();
    loop {
        while let Some(name) = op.wakes.take(op.clock.now()) {
            running.spawn(one(op.clone(), name));
        }
        let tick = Instant::now() + TICK;
        let due = op.wakes.next().map_or(tick, |due| due.min(tick));
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            () = op.wakes.earlier() => {}
            Some(_) = running.join_next() => {}
            () = tokio::time::sleep_until(due) => {}
        }
    }
    while running.join_next().await.is_some() {}
}

async fn one(op: Arc<Operator>, name: Name) {
    let pass = AssertUnwindSafe(op.reconcile(&name.namespace, &name.name)).catch_unwind();
    let next = match pass.await {
        Ok(Ok(next)) => next,
        // A failed pass has spoken.
        Ok(Err(_)) => Some(Next { after: op.backoff(&name), edge: None }),
        Err(_) => {
            tracing::error!(cluster = %name, "a pass panicked and is tried again: please report this");
            op.failed(&name);
            Some(Next { after: op.backoff(&name), edge: None })
        }
    };
    op.wakes.done(&name, next);
}

#[cfg(test)]
mod stub;
#[cfg(test)]
mod tests;
