//! A stand-in for the API server, and what it stores.

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// One request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    /// The first value of a header; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// What is answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

type Behave = dyn Fn(&Request) -> Answer + Send + Sync;

/// Answers as it is told, and notes what was asked.
pub(crate) struct Api {
    /// As `127.0.0.1:4711`.
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Api {
    pub(crate) fn start(behave: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (seen, behave): (Arc<Mutex<Vec<Request>>>, Arc<Behave>) = (Arc::default(), Arc::new(behave));
        let noted = seen.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (noted, behave) = (noted.clone(), behave.clone());
                // A client that goes away ends its connection only.
                thread::spawn(move || serve(&stream, &noted, &*behave));
            }
        });
        Self { address, seen }
    }

    /// As `http://127.0.0.1:4711`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked since the last call.
    pub(crate) fn seen(&self) -> Vec<Request> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

fn serve(stream: &TcpStream, seen: &Mutex<Vec<Request>>, behave: &Behave) -> Option<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    loop {
        let request = read(&mut reader)?;
        let Answer { status, headers, body } = behave(&request);
        seen.lock().unwrap().push(request);
        let body = body.to_string();
        let mut head = format!("HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        write!(writer, "{head}content-length: {}\r\n\r\n{body}", body.len()).ok()?;
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ').map(str::to_owned);
    let mut request = Request { method: words.next()?, path: words.next()?, ..Request::default() };
    loop {
        let header = line()?;
        let Some((name, value)) = header.split_once(':') else { break };
        request.headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let mut body = vec![0; request.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8(body).ok()?;
    Some(request)
}

/// A CherokeeCluster `c` with a role `night` that people may wake for 30 minutes; `message` stands in its conditions, advice and slot.
pub(crate) fn cluster(message: &str) -> Value {
    let condition = |kind: &str| {
        json!({"type": kind, "status": "False", "reason": "PodFailing", "message": message,
            "observedGeneration": 1, "lastTransitionTime": "2026-11-29T00:00:00Z"})
    };
    let slot = json!({"name": "c-1", "node": "bluefin", "device": "GPU-1", "models": ["m"], "state": "Starting",
        "message": message, "memory": {"weights": "1Mi", "kvCache": "2Mi", "reserve": "3Mi", "total": "6Mi"}});
    json!({"apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster",
        "metadata": {"name": "c", "namespace": "default", "uid": "1", "resourceVersion": "1", "generation": 1},
        "spec": {"models": [{"name": "m", "uri": "pvc://a/b", "size": "1Gi"}],
            "roles": [{"name": "night", "layer": "Subconscious", "model": "m", "activation": "OnDemand",
                "onDemand": {"triggers": ["Manual"], "maxDuration": "30m"}}]},
        "status": {"observedGeneration": 1, "conditions": [condition("Ready"), condition("WorkersReady")],
            "roles": [{"name": "night", "state": "Asleep"}], "slots": [slot],
            "advice": [{"code": "X", "message": message}]}})
}

/// A list of one.
pub(crate) fn list(cluster: Value) -> Value {
    json!({"apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeClusterList", "metadata": {"resourceVersion": "1"},
        "items": [cluster]})
}
