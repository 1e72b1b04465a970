//! The line to Redis: one multiplexed connection, deadlines, and a breaker.

use crate::{Error, Options, breaker};
use breaker::Breaker;
use redis::{
    Client, FromRedisValue, RedisError, RedisResult, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Longest time of a look-up for a client; it does not wait that long without asking a worker as well.
pub(crate) const QUERY: Duration = Duration::from_secs(1);
/// Longest time for work that no client waits for.
pub(crate) const WORK: Duration = Duration::from_secs(5);
/// Longest time to connect.
const CONNECT: Duration = Duration::from_secs(1);

/// The line. Clones share it.
#[derive(Clone)]
pub(crate) struct Link {
    client: Client,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    manager: ConnectionManager,
    breaker: Breaker,
}

impl Link {
    /// A line that connects in the background. Needs a tokio runtime.
    pub(crate) fn new(options: &Options) -> Result<Self, Error> {
        let client = Client::open(options.connection.clone())?;
        let manager = dial(&client)?;
        let shared = Shared { manager, breaker: Breaker::default() };
        let link = Self { client, shared: Arc::new(Mutex::new(shared)) };
        tokio::spawn(link.watch());
        Ok(link)
    }

    /// While Redis does not answer, asks once a second whether it does, so that no query has to find out. Ends with the last
    /// other clone of the link.
    fn watch(&self) -> impl Future<Output = ()> + use<> {
        let (client, shared) = (self.client.clone(), Arc::downgrade(&self.shared));
        async move {
            while let Some(shared) = shared.upgrade() {
                let link = Self { client: client.clone(), shared };
                if !link.lock().breaker.is_well() {
                    let ping = |mut manager| async move { redis::cmd("PING").exec_async(&mut manager).await };
                    if let Err(error) = link.ask(WORK, ping).await {
                        tracing::debug!(%error, "redis is not there yet");
                    }
                }
                drop(link);
                tokio::time::sleep(breaker::REST).await;
            }
        }
    }

    /// Asks something and waits at most `limit`.
    pub(crate) async fn ask<T, F, Fut>(&self, limit: Duration, question: F) -> Result<T, Error>
    where
        F: FnOnce(ConnectionManager) -> Fut,
        Fut: Future<Output = RedisResult<T>>,
    {
        let manager = {
            let mut shared = self.lock();
            if !shared.breaker.allows(Instant::now()) {
                return Err(Error::Resting(breaker::FAILURES));
            }
            shared.manager.clone()
        };
        let outcome = match tokio::time::timeout(limit, question(manager)).await {
            Ok(outcome) => outcome.map_err(Error::Redis),
            Err(_) => Err(Error::Timeout(limit.as_millis())),
        };
        match &outcome {
            Ok(_) => self.lock().breaker.answered(),
            Err(Error::Redis(refusal)) if is_refusal(refusal) => self.lock().breaker.answered(),
            Err(_) => self.failed(),
        }
        outcome
    }

    /// Runs a script on the keys under `prefix`.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        limit: Duration,
        script: &Script,
        prefix: &str,
        arguments: &[&str],
    ) -> Result<T, Error> {
        let mut call = script.key(prefix);
        for argument in arguments {
            call.arg(*argument);
        }
        self.ask(limit, |mut manager| async move { call.invoke_async(&mut manager).await }).await
    }

    /// Counts a failure; an open breaker also gets a new connection: the old one may be stuck for good, on a pod that
    /// vanished without a word or on a password that was refused.
    fn failed(&self) {
        let mut shared = self.lock();
        if shared.breaker.failed(Instant::now())
            && let Ok(manager) = dial(&self.client)
        {
            shared.manager = manager;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the server itself refused the command, because it is full or read-only: the connection is then healthy.
fn is_refusal(error: &RedisError) -> bool {
    error.code().is_some_and(|code| matches!(code, "OOM" | "MISCONF" | "READONLY" | "NOREPLICAS" | "NOPERM"))
}

/// A connection that is made when it is first used.
fn dial(client: &Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(WORK));
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}
