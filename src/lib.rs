//! The operator: observe, understand, plan, render, apply, report.
//!
//! | room | what it does |
//! | --- | --- |
//! | [`stores`] | what the API server's watches deliver, in memory |
//! | [`wakes`], [`queue`] | whom a change concerns, and when its pass is due |
//! | [`controller`] | runs the passes that are due |
//! | `attempt` | one try of a pass: deadline, failures |
//! | [`reconcile`] | one pass, the steps in their order |
//! | [`observe`] | one snapshot of all that a pass needs, from the stores |
//! | [`intent`] | checks the spec and turns it into units |
//! | `cherokee_plan` | decides who sits where, and until when that holds |
//! | `holds` | which cluster holds which GPU: one GpuHold a device, whose name is the lock |
//! | `stage` | lets a change of a model reach one running slot after another |
//! | [`render`] | makes the children, one file a part |
//! | [`apply`] | writes them; the only writer of children |
//! | [`report`] | writes status, then events |
//! | [`lease`] | who of several operators leads |

pub mod apply;
pub mod args;
mod attempt;
mod children;
mod controller;
pub mod error;
mod holds;
pub mod intent;
pub mod lease;
mod metrics;
mod name;
pub mod observe;
mod operator;
mod quantity;
mod queue;
mod reconcile;
pub mod render;
pub mod report;
mod server;
mod stage;
mod stores;
mod thread;
pub mod time;
mod wakes;

pub use args::{Args, Settings, SimulatedGpus};
pub use cherokee_daemon::clock::{self, Clock, SetClock, SystemClock};
pub use error::Error;
pub use operator::Operator;
pub use queue::Next;

use kube::Client;
use lease::Elector;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// Longest time from a stop signal until the controller is cut off. It ends when the passes that run have ended.
const STOP: Duration = Duration::from_secs(2);

/// Runs the operator until `stop`, or until it loses its Lease.
pub async fn run(args: Args, stop: impl Future<Output = ()>) -> Result<(), Error> {
    args.log.start();
    let client = Client::try_default().await.map_err(|error| Error::NoServer(Box::new(error)))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let elector = Elector::new(client.clone(), &args.lease_namespace, &args.lease_name, &args.identity, clock.clone());
    let operator = Operator::new(client, clock, Settings::from(&args)).led_by(elector.leadership());
    let operator = Arc::new(operator.within(&args.namespaces));
    // One that waits to lead is ready: it could not do more.
    let (ready, readiness) = watch::channel(true);
    let (tell, told) = watch::channel(false);
    let server = server::serve(args.listen, operator.metrics.clone(), readiness);
    let work = lead(&elector, operator, told, &ready);
    tokio::pin!(server, work);
    tokio::select! {
        ended = &mut server => return ended,
        ended = &mut work => return ended,
        () = stop => {}
    }
    tracing::info!("stopping");
    tell.send_replace(true);
    if tokio::time::timeout(STOP, work).await.is_err() {
        tracing::debug!("the controller was cut off");
    }
    if tokio::time::timeout(STOP, elector.release()).await.is_err() {
        tracing::debug!("the lease was not given up in time");
    }
    Ok(())
}

/// Waits for the Lease, then works until it is told to stop or the Lease is lost.
async fn lead(
    elector: &Elector,
    operator: Arc<Operator>,
    mut stop: watch::Receiver<bool>,
    ready: &watch::Sender<bool>,
) -> Result<(), Error> {
    tokio::select! {
        () = elector.acquire() => {}
        _ = stop.wait_for(|stop| *stop) => return Ok(()),
    }
    tracing::info!("leading");
    ready.send_replace(false);
    tokio::select! {
        () = controller::run(operator, stop, ready) => Ok(()),
        () = elector.keep() => Err(Error::NotLeading),
    }
}
