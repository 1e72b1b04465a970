//! `--gpus`: a fleet in one line, for planning without a cluster.

use cherokee_plan::{Access, Device, Fleet, Holder, Mib, Node};
use std::{collections::BTreeMap, str::FromStr};

/// Nodes with their GPUs, as `NODE=COUNTxMIB[xPRODUCT]` separated by commas; `NODE=0` has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gpus(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    node: String,
    count: u16,
    memory: Mib,
    product: String,
}

/// Most GPUs of one node.
const MOST: u16 = 128;

impl FromStr for Gpus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let entries = text.split(',').map(entry).collect::<Result<Vec<_>, _>>()?;
        for (i, one) in entries.iter().enumerate() {
            if entries[..i].iter().any(|other| other.node == one.node) {
                return Err(format!("node `{}` is there twice: give all its GPUs at once", one.node));
            }
        }
        Ok(Self(entries))
    }
}

fn entry(text: &str) -> Result<Entry, String> {
    let wrong = |what: &str| format!("`{text}`: {what}; write NODE=COUNTxMIB, as bluefin=1x16303");
    let (node, gpus) = text.split_once('=').ok_or_else(|| wrong("no `=`"))?;
    if node.is_empty() || node.contains(char::is_whitespace) {
        return Err(wrong("the node has no name"));
    }
    let mut parts = gpus.splitn(3, 'x');
    let count = parts.next().and_then(|n| n.parse().ok()).filter(|n| *n <= MOST);
    let count = count.ok_or_else(|| wrong("the count of GPUs must be 0 to 128"))?;
    let memory = match (parts.next(), count) {
        (None, 0) => Mib(0),
        (None, _) => return Err(wrong("no memory")),
        (Some(mib), _) => {
            let mib = mib.parse().ok().filter(|mib| (1..=1 << 24).contains(mib));
            Mib(mib.ok_or_else(|| wrong("the memory of a GPU must be whole MiB, 1 to 16777216, without a unit"))?)
        }
    };
    let product = parts.next().unwrap_or("GPU").to_owned();
    Ok(Entry { node: node.to_owned(), count, memory, product })
}

impl Gpus {
    /// All nodes usable, all GPUs free and to be had by UUID: `GPU-<node>-<index>`.
    pub(crate) fn fleet(&self) -> Fleet {
        let node = |entry: &Entry| Node {
            labels: BTreeMap::from([("kubernetes.io/hostname".to_owned(), entry.node.clone())]),
            usable: true,
            access: if entry.count == 0 { Access::None } else { Access::Dra },
            devices: (0..entry.count).map(|index| device(entry, index)).collect(),
            withdrawn: Vec::new(),
            simulated: false,
        };
        Fleet { nodes: self.0.iter().map(|entry| (entry.node.clone(), node(entry))).collect() }
    }
}

fn device(entry: &Entry, index: u16) -> Device {
    Device {
        uuid: format!("GPU-{}-{index}", entry.node),
        product: entry.product.clone(),
        memory: entry.memory,
        holder: Holder::Free,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_and_their_gpus_are_read() {
        let fleet: Fleet = "bluefin=1x16303,redfin=2x16303xNVIDIA RTX 5070,edge=0".parse::<Gpus>().unwrap().fleet();
        assert_eq!(fleet.nodes.len(), 3);
        let redfin = &fleet.nodes["redfin"];
        assert_eq!(redfin.devices.len(), 2);
        assert_eq!((redfin.devices[1].uuid.as_str(), redfin.devices[1].memory), ("GPU-redfin-1", Mib(16303)));
        assert_eq!(redfin.devices[0].product, "NVIDIA RTX 5070");
        assert_eq!((fleet.nodes["edge"].access, fleet.nodes["edge"].devices.len()), (Access::None, 0));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_the_right_form() {
        for (text, what) in [
            ("", "no `=`"),
            ("bluefin", "no `=`"),
            ("=1x16303", "the node has no name"),
            ("bluefin=x", "the count of GPUs"),
            ("bluefin=-1x16303", "the count of GPUs"),
            ("bluefin=129x16303", "the count of GPUs"),
            ("bluefin=1", "no memory"),
            ("bluefin=1x16Gi", "whole MiB"),
            ("bluefin=1x0", "whole MiB"),
            ("bluefin=1x16303,", "no `=`"),
        ] {
            let error = text.parse::<Gpus>().unwrap_err();
            assert!(error.contains(what) && error.contains("write NODE=COUNTxMIB"), "{text}: {error}");
        }
        let twice = "a=1x1,b=1x1,a=2x1".parse::<Gpus>().unwrap_err();
        assert!(twice.contains("node `a` is there twice"), "{twice}");
    }
}
