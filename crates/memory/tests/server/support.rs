//! A real redis-server for one test: on a free port, in a folder of its own, gone when dropped.

use cherokee_memory::{Options, Store};
use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a server may take to answer.
const START: Duration = Duration::from_secs(20);

pub(crate) struct Redis {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Redis {
    /// Starts a server and waits until it answers.
    pub(crate) async fn start(more: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start_at(port, more).await
    }

    pub(crate) async fn start_at(port: u16, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(more)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is needed for this test: install it (Debian: apt-get install redis-server)");
        let redis = Self { child, port, folder };
        let deadline = Instant::now() + START;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "redis-server did not listen on port {port} within {START:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        redis
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn options(&self) -> Options {
        Options::new(&self.url(), None, "forest", "owl").unwrap()
    }

    /// A store on this server that answers.
    pub(crate) async fn store(&self) -> Store {
        let store = Store::new(&self.options()).unwrap();
        eventually(|| async { store.stats().await.is_ok() }).await;
        store
    }

    /// Kills the server and returns its port.
    pub(crate) fn kill(mut self) -> u16 {
        self.stop();
        self.port
    }

    fn stop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        assert!(self.folder.path().exists());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits until the condition holds; fails after a deadline that only a fault can reach.
pub(crate) async fn eventually<F, Fut>(condition: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = bool>,
{
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition().await {
        assert!(Instant::now() < deadline, "the condition did not come true within 60 s");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
