//! A real redis-server for one test: on a free port, in a folder of its own, gone when dropped.

use cherokee_memory::{Options, Store};
use std::{
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::net::TcpSocket;

/// How long a server may take to answer.
const START: Duration = Duration::from_mins(1);

/// A port that nobody else is given while this lives: whoever names it may listen there.
#[derive(Clone)]
pub(crate) struct Port(Arc<TcpSocket>);

impl Port {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self(Arc::new(socket))
    }

    pub(crate) fn number(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }
}

pub(crate) struct Redis {
    child: Child,
    port: Port,
    folder: TempDir,
}

impl Redis {
    /// Starts a server and waits until it answers.
    pub(crate) async fn start(more: &[&str]) -> Self {
        Self::start_at(Port::new(), more).await
    }

    pub(crate) async fn start_at(port: Port, more: &[&str]) -> Self {
        let (folder, number) = (tempfile::tempdir().unwrap(), port.number());
        let child = Command::new("redis-server")
            .args(["--port", &number.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(more)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is needed for this test: install it (Debian: apt-get install redis-server)");
        let mut redis = Self { child, port, folder };
        let deadline = Instant::now() + START;
        while std::net::TcpStream::connect(("127.0.0.1", number)).is_err() {
            assert!(redis.child.try_wait().unwrap().is_none(), "redis-server has ended");
            assert!(Instant::now() < deadline, "redis-server did not listen on port {number} within {START:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        redis
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port.number())
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
    pub(crate) fn kill(mut self) -> Port {
        self.stop();
        self.port.clone()
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
    let deadline = Instant::now() + Duration::from_mins(3);
    while !condition().await {
        assert!(Instant::now() < deadline, "the condition did not come true within 3 minutes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
