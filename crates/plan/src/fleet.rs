//! What there is: nodes, their devices, and who holds them.

use crate::{Mib, intent::ClusterId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All nodes by name.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct Fleet {
    /// Nodes by name.
    pub nodes: BTreeMap<String, Node>,
}

/// One node.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct Node {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Ready and not cordoned, with no taint that the workers do not tolerate.
    pub usable: bool,
    /// How pods get its devices.
    pub access: Access,
    /// Its devices in the order of their names: the position is the index.
    pub devices: Vec<Device>,
    /// Devices that the node offers no more, while a slot still runs on each: they stay that slot's and nobody else's.
    #[serde(default)]
    pub withdrawn: Vec<Device>,
    /// Its devices are simulated.
    pub simulated: bool,
}

/// How pods get the devices of a node.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// It has none.
    #[default]
    None,
    /// Dynamic Resource Allocation: a device by UUID.
    Dra,
    /// The device plugin: the kubelet picks the device.
    DevicePlugin,
    /// Both publish the same devices: refused unless the resource says which.
    Twice,
}

/// One device.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Device {
    /// UUID; under the device plugin a stand-in, `<node>-<index>`.
    pub uuid: String,
    /// Product name.
    pub product: String,
    /// Memory.
    pub memory: Mib,
    /// Who holds it.
    pub holder: Holder,
}

/// A device and its node.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId {
    /// Node.
    pub node: String,
    /// UUID.
    pub uuid: String,
}

impl DeviceId {
    /// One of the devices of a node with a device plugin, which publishes only a count: its UUID stands for the position.
    pub fn of_ordinal(node: &str, ordinal: usize) -> Self {
        Self { node: node.to_owned(), uuid: format!("{node}-{ordinal}") }
    }

    /// The position of a device of [`DeviceId::of_ordinal`]; none of one with a UUID of its own.
    pub fn ordinal(&self) -> Option<usize> {
        self.uuid.strip_prefix(&self.node)?.strip_prefix('-')?.parse().ok()
    }
}

/// Who holds a device, by the holds of its cluster.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub enum Holder {
    /// Nobody.
    #[default]
    Free,
    /// Slots of a CherokeeCluster, by name; several only when they take turns.
    Slots {
        /// Whose.
        cluster: ClusterId,
        /// Names of the slots.
        slots: Vec<String>,
    },
    /// A pod that is not ours.
    Foreign,
}
