//! A gateway in front of fake workers: roles `conscious` (default route), `backup` and `dream` on slots of the same names.

use crate::{
    client::{Client, DEADLINE},
    fake_memory::FakeMemory,
};
use cherokee_gateway::{
    Gateway,
    admission::Admission,
    auth::Door,
    clock,
    dispatch::Dispatcher,
    endpoints::{Endpoints, Table},
    memory::Memory,
    metrics::Metrics,
    server::{self, Ending},
    upstream::{Limits, Upstream},
};
use cherokee_wire::layout::{self, Layer, Layout, Model, Role, RoleState, Slot};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::JoinHandle,
};

/// What a test may set before the gateway starts.
pub(crate) struct Plan {
    pub(crate) layout: Option<Layout>,
    pub(crate) workers: Table,
    pub(crate) door: Door,
    pub(crate) places: usize,
    pub(crate) bodies_bytes: usize,
    pub(crate) hold: Duration,
    pub(crate) idle: Duration,
    pub(crate) ending: Ending,
}

pub(crate) struct House {
    pub(crate) client: Client,
    pub(crate) address: SocketAddr,
    pub(crate) memory: Arc<FakeMemory>,
    pub(crate) layout: watch::Sender<Option<Arc<Layout>>>,
    pub(crate) workers: watch::Sender<Option<Arc<Table>>>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) serving: JoinHandle<()>,
}

pub(crate) const BODY_LIMIT: usize = 4096;

impl Plan {
    /// Workers by slot; everybody of the layer layout but the dream worker is awake.
    pub(crate) fn new(workers: &[(&str, &str)]) -> Self {
        let mut table = Table::new();
        for (slot, address) in workers {
            table.entry((*slot).to_owned()).or_default().insert((*address).to_owned());
        }
        Self {
            layout: Some(layer_layout()),
            workers: table,
            door: Door::Open,
            places: 8,
            bodies_bytes: 1 << 20,
            hold: DEADLINE,
            idle: DEADLINE,
            ending: Ending { pre_stop: Duration::ZERO, drain: DEADLINE },
        }
    }

    pub(crate) fn change(mut self, change: impl FnOnce(&mut Layout)) -> Self {
        change(self.layout.as_mut().unwrap());
        self
    }

    pub(crate) async fn start(self) -> House {
        let (layout, layouts) = watch::channel(self.layout.map(Arc::new));
        let (workers, table) = watch::channel(Some(Arc::new(self.workers)));
        let memory = Arc::new(FakeMemory::default());
        let metrics = Arc::new(Metrics::default());
        let upstream = Upstream::new(Limits { answer: DEADLINE, idle: self.idle });
        let gateway = Gateway {
            door: self.door,
            admission: Admission::new(self.places, self.bodies_bytes, metrics.in_flight().clone()),
            max_body_bytes: BODY_LIMIT,
            layouts: layouts.clone(),
            memory: Some(Arc::clone(&memory) as Arc<dyn Memory>),
            dispatcher: Dispatcher {
                layouts,
                endpoints: Endpoints::new(table, "test"),
                upstream,
                metrics: Arc::clone(&metrics),
                hold: self.hold,
            },
            metrics,
            started: clock::now(),
            ends: AtomicBool::new(false),
            arrived: AtomicU64::new(0),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let signal = async {
            // A dropped house stops nobody: the runtime ends with the test.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let serving = server::serve(listener, Arc::new(gateway), self.ending, signal);
        let serving = tokio::spawn(async move { serving.await.unwrap() });
        House { client: Client::new(address), address, memory, layout, workers, stop: Some(stop), serving }
    }
}

impl House {
    pub(crate) fn set_workers(&self, workers: &[(&str, &str)]) {
        self.workers.send_replace(Some(Arc::new(Plan::new(workers).workers)));
    }

    /// The gateway's figures.
    pub(crate) async fn metrics(&self) -> String {
        self.client.get("/metrics").await.text
    }
}

/// A chat that asks for the default route.
pub(crate) fn hello() -> Value {
    json!({"model": "default", "messages": [{"role": "user", "content": "hello"}]})
}

/// The same as a stream.
pub(crate) fn hello_stream() -> Value {
    let mut body = hello();
    body["stream"] = json!(true);
    body
}

pub(crate) fn layer_layout() -> Layout {
    let role = |layer, backs: &[&str], slot: &str| Role {
        layer,
        model: "resonance".into(),
        state: RoleState::Awake,
        until: None,
        slots: vec![slot.into()],
        default_route: layer == Layer::Conscious,
        model_names: Vec::new(),
        backs: backs.iter().map(|name| (*name).to_owned()).collect(),
        overflow: layer == Layer::Subconscious,
    };
    let slot = |name: &str| Slot {
        node: "n".into(),
        device: format!("GPU-{name}"),
        models: vec!["resonance".into()],
        on: true,
        superseded: false,
    };
    let mut dream = role(Layer::Subconscious, &[], "dream");
    dream.state = RoleState::Asleep;
    Layout {
        namespace: "test".into(),
        cluster: "cherokee".into(),
        models: BTreeMap::from([("resonance".into(), Model { revision: "r1".into(), context_tokens: 2048 })]),
        roles: BTreeMap::from([
            ("conscious".into(), role(Layer::Conscious, &[], "conscious")),
            ("backup".into(), role(Layer::Backup, &["conscious"], "backup")),
            ("dream".into(), dream),
        ]),
        slots: ["conscious", "backup", "dream"].into_iter().map(|name| (name.to_owned(), slot(name))).collect(),
        memory: Some(layout::Memory { time_to_live_seconds: 3600, ..layout::Memory::default() }),
        ..Layout::default()
    }
}

/// Waits until `holds`, or fails.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}
