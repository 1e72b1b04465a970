//! Short ways to make intents and fleets, and to let a plan take hold.

use cherokee_plan::{
    Access, ClusterId, Device, Fleet, Holder, Intent, Layer, Mib, Model, Node, Plan, Role, Zone,
    intent::{Activation, DeviceChoice, Placement, Seconds, Window},
    sizing,
};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

pub(crate) fn cluster(name: &str, created: i64) -> ClusterId {
    ClusterId {
        created: DateTime::from_timestamp(created, 0).expect("a time"),
        uid: format!("uid-{name}"),
        namespace: format!("ns-{name}"),
        name: name.into(),
    }
}

pub(crate) fn model(parameters: u64, dtype: &str) -> Model {
    let bits = sizing::centibits_per_parameter(dtype).expect("a format");
    Model {
        revision: format!("{parameters}-{dtype}"),
        weights: sizing::mib(sizing::weight_bytes(parameters, bits)),
        kv_bytes_per_token: sizing::estimated_kv_bytes_per_token(parameters),
        context_tokens: 2048,
        parameters: Some(parameters),
        dtype: dtype.into(),
    }
}

pub(crate) fn role(layer: Layer, model: &str) -> Role {
    Role {
        layer,
        model: model.into(),
        max_sequences: 4,
        budget: None,
        activation: Activation::Always,
        wake: Vec::new(),
        overflow: false,
        default_route: layer == Layer::Conscious,
        placement: Placement::default(),
    }
}

pub(crate) fn daily(schedule: &str, hours: u32) -> Activation {
    Activation::Scheduled(vec![Window { schedule: schedule.into(), duration: Seconds(hours * 3600) }])
}

pub(crate) fn on(node: &str, index: Option<u32>) -> Placement {
    Placement { node: Some(node.into()), device: index.map(DeviceChoice::Index), ..Placement::default() }
}

pub(crate) fn sharing(other: &str) -> Placement {
    Placement { share_with: BTreeSet::from([other.into()]), ..Placement::default() }
}

pub(crate) fn intent(roles: &[(&str, Role)]) -> Intent {
    Intent {
        cluster: cluster("cherokee", 1_000),
        time_zone: Zone::named("America/Chicago").expect("a zone"),
        cpu_only: false,
        models: BTreeMap::from([
            ("resonance".into(), model(1_100_000_000, "F16")),
            ("council".into(), model(14_000_000_000, "F16")),
        ]),
        roles: roles.iter().map(|(name, role)| ((*name).to_owned(), role.clone())).collect(),
        drain: Seconds(30),
        lead_time: Seconds(120),
        serving: BTreeMap::new(),
        queries_per_second: None,
    }
}

/// Nodes with so many devices of 16303 MiB, by DRA.
pub(crate) fn fleet(nodes: &[(&str, usize)]) -> Fleet {
    let node = |name: &str, count: usize| Node {
        labels: BTreeMap::new(),
        usable: true,
        access: if count == 0 { Access::None } else { Access::Dra },
        devices: (0..count).map(|i| device(&format!("GPU-{name}-{i}"), 16_303)).collect(),
        withdrawn: Vec::new(),
        simulated: false,
    };
    Fleet { nodes: nodes.iter().map(|(name, count)| ((*name).to_owned(), node(name, *count))).collect() }
}

pub(crate) fn device(uuid: &str, memory: u64) -> Device {
    Device { uuid: uuid.into(), product: "Simulated RTX 5070".into(), memory: Mib(memory), holder: Holder::Free }
}

/// The fleet and the intent after the plan was applied.
pub(crate) fn applied(plan: &Plan, intent: &Intent, fleet: &Fleet) -> (Intent, Fleet) {
    let mut fleet = fleet.clone();
    for device in fleet.nodes.values_mut().flat_map(|n| &mut n.devices) {
        if matches!(&device.holder, Holder::Slots { cluster, .. } if *cluster == intent.cluster) {
            device.holder = Holder::Free;
        }
    }
    for (name, slot) in &plan.slots {
        let Some(node) = fleet.nodes.get_mut(&slot.device.node) else { continue };
        let Some(device) = node.devices.iter_mut().find(|d| d.uuid == slot.device.uuid) else { continue };
        match &mut device.holder {
            Holder::Slots { slots, .. } => slots.push(name.clone()),
            holder => *holder = Holder::Slots { cluster: intent.cluster.clone(), slots: vec![name.clone()] },
        }
    }
    let serving = plan.roles.iter().map(|(role, outcome)| (role.clone(), outcome.slots.clone())).collect();
    (Intent { serving, ..intent.clone() }, fleet)
}

/// Node and UUID of a role's device.
pub(crate) fn place_of(plan: &Plan, role: &str) -> Option<(String, String)> {
    let slot = plan.roles.get(role)?.slots.first()?;
    let device = &plan.slots.get(slot)?.device;
    Some((device.node.clone(), device.uuid.clone()))
}
