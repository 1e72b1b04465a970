//! Runs `kubectl cherokee` as a person would.

use serde_json::{Value, json};
use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// Longest run of the plugin; it takes a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a run left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) good: bool,
    pub(crate) out: String,
    pub(crate) told: String,
}

/// A plugin and its environment, in which no setting of this machine is left.
pub(crate) struct Plugin(Command);

impl Plugin {
    /// With a kubeconfig, or several as `KUBECONFIG` lists them.
    pub(crate) fn new(kubeconfig: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cherokee"));
        command.arg("kubectl").env_clear().env("KUBECONFIG", kubeconfig).env("HOME", env!("CARGO_TARGET_TMPDIR"));
        Self(command)
    }

    /// Sets a variable of the environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs to the end; one that does not end is killed and fails the test.
    pub(crate) fn run(mut self, args: &[&str]) -> Run {
        let command = self.0.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, told) = (reader(child.stdout.take().unwrap()), reader(child.stderr.take().unwrap()));
        let (Ok(out), Ok(told)) = (out.recv_timeout(PATIENCE), told.recv_timeout(PATIENCE)) else {
            child.kill().unwrap();
            panic!("`kubectl cherokee {}` did not end within {PATIENCE:?}", args.join(" "));
        };
        Run { good: child.wait().unwrap().success(), out, told }
    }
}

fn reader(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        if pipe.read_to_string(&mut text).is_ok() {
            // Nobody waits any more for a run that was given up.
            let _ = send.send(text);
        }
    });
    receive
}

/// The plugin with a kubeconfig for the server at `url`; `name` is the test's own.
pub(crate) fn plugin(name: &str, url: &str) -> Plugin {
    Plugin::new(kubeconfig(name, json!({"server": url}), json!({"token": "good"})).to_str().unwrap())
}

/// Writes a kubeconfig of one context and returns where.
pub(crate) fn kubeconfig(name: &str, cluster: Value, user: Value) -> PathBuf {
    let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "default"}}]});
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.kubeconfig"));
    std::fs::write(&file, config.to_string()).unwrap();
    file
}
