//! Why a group has no device, in words: what is wanted, the numbers, and what to do. The subject, "role `x`", goes in front.

use super::Place;
use crate::{
    Mib,
    group::{self, Group},
    intent::DeviceChoice,
    outcome::Code,
};
use std::{collections::BTreeSet, fmt::Write};

type Why = (Code, String);

/// What a group wants: `device 1 of redfin`, `a GPU of bluefin`, `a GPU`.
pub(super) fn wanted(group: &Group<'_>) -> String {
    let placements = || group.roles.iter().map(|m| &m.role.placement);
    let mut text = match placements().find_map(|p| p.device.as_ref()) {
        Some(DeviceChoice::Index(index)) => format!("device {index}"),
        Some(DeviceChoice::Uuid(uuid)) => format!("device {uuid}"),
        Some(DeviceChoice::Product(product)) => format!("a GPU `{product}`"),
        None => "a GPU".into(),
    };
    if let Some(node) = placements().find_map(|p| p.node.as_ref()) {
        let _ = write!(text, " of {node}");
    } else if let Some(labels) = labels(group) {
        let _ = write!(text, " on a node with {labels}");
    }
    text
}

fn labels(group: &Group<'_>) -> Option<String> {
    let placement = group.roles.iter().map(|m| &m.role.placement).find(|p| !p.node_selector.is_empty())?;
    let labels: Vec<String> = placement.node_selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
    Some(labels.join(","))
}

fn node<'a>(group: &Group<'a>) -> Option<&'a str> {
    group.roles.iter().find_map(|m| m.role.placement.node.as_deref())
}

/// The field that narrows the choice, to be dropped.
fn field(group: &Group<'_>) -> &'static str {
    match group.rank() {
        0 => "`placement.device`",
        1 => "`placement.nodeName`",
        _ => "`placement.nodeSelector`",
    }
}

pub(super) fn no_matching_node(group: &Group<'_>) -> Why {
    let why = match (node(group), labels(group)) {
        (Some(node), None) => format!("wants node {node}, which does not exist: correct `placement.nodeName`"),
        (Some(node), Some(labels)) => {
            format!("wants node {node}, which does not exist or lacks {labels}: correct `placement`")
        }
        (None, Some(labels)) => format!(
            "wants a node with {labels}, and no node has these labels: label one, or correct `placement.nodeSelector`"
        ),
        (None, None) => "finds no node in this cluster: add one with a GPU".into(),
    };
    (Code::NoMatchingNode, why)
}

pub(super) fn node_not_usable(group: &Group<'_>, count: usize) -> Why {
    let remedy = "make it ready, uncordon it, or add its taint to `workers.tolerations`";
    let why = match node(group) {
        Some(node) => format!(
            "wants node {node}, which is not ready, cordoned, or has a taint that workers do not tolerate: {remedy}"
        ),
        None => format!(
            "finds {count} matching node(s), each not ready, cordoned, or with a taint that workers do not tolerate: {remedy}"
        ),
    };
    (Code::NodeNotUsable, why)
}

pub(super) fn no_gpu(group: &Group<'_>) -> Why {
    let wanted = wanted(group);
    if names_uuid(group) {
        return (
            Code::GpuMissing,
            format!("wants {wanted}, and no GPU is there: bring it back, or drop `placement.device`"),
        );
    }
    let remedy = "install the GPU driver with its DRA driver or device plugin, or set `accelerator.mode: CPU`";
    (Code::NoMatchingGpu, format!("wants {wanted}, and no usable node that fits has one: {remedy}"))
}

fn names_uuid(group: &Group<'_>) -> bool {
    group.roles.iter().any(|m| matches!(m.role.placement.device, Some(DeviceChoice::Uuid(_))))
}

pub(super) fn published_twice(group: &Group<'_>) -> Why {
    let why = format!(
        "wants {}, and the device plugin and DRA both publish the GPUs there: say which one in `accelerator.access`, or switch one off",
        wanted(group)
    );
    (Code::GpuPublishedTwice, why)
}

pub(super) fn not_choosable(group: &Group<'_>) -> Why {
    let why = format!(
        "wants {}, but under the device plugin the kubelet picks the device: drop `placement.device`, give every GPU of the node a role \
         of this resource, or use DRA",
        wanted(group)
    );
    (Code::DeviceNotChoosable, why)
}

pub(super) fn not_there(group: &Group<'_>, there: &[&Place<'_>]) -> Why {
    let wanted = wanted(group);
    let product = group.roles.iter().any(|m| matches!(m.role.placement.device, Some(DeviceChoice::Product(_))));
    if product {
        let products: BTreeSet<&str> = there.iter().map(|p| p.product).collect();
        let products: Vec<&str> = products.into_iter().collect();
        return (
            Code::NoMatchingGpu,
            format!("wants {wanted}, and there is only {}: correct `placement.device.product`", products.join(", ")),
        );
    }
    let (code, count) = (if names_uuid(group) { Code::GpuMissing } else { Code::NoMatchingGpu }, there.len());
    (
        code,
        format!(
            "wants {wanted}, which is not among the {count} GPU(s) there: bring it back, or correct `placement.device`"
        ),
    )
}

pub(super) fn too_small(group: &Group<'_>, largest: Mib) -> Why {
    let memory = group.largest();
    let scope = if group.rank() == 3 {
        "the largest GPU".to_owned()
    } else {
        format!("the largest that `placement` allows ({})", wanted(group))
    };
    let why = format!(
        "needs {} ({}), {scope} has {largest}: take a quantised file, lower `maxSequences` or `contextTokens`, or use a larger GPU",
        memory.total,
        group::parts(&memory)
    );
    (Code::NotEnoughGpuMemory, why)
}

pub(super) fn taken(group: &Group<'_>, first: &Place<'_>, count: usize, foreign: &BTreeSet<bool>) -> Why {
    let by = match (foreign.contains(&true), foreign.contains(&false)) {
        (true, false) => "a pod outside of this resource",
        (false, true) => "another CherokeeCluster",
        _ => "pods outside of this resource and other CherokeeClusters",
    };
    let wanted = wanted(group);
    let why = if group.rank() == 3 {
        format!(
            "needs {}, and all {count} GPU(s) that have it are held by {by}: free one, or add a GPU",
            group.largest().total
        )
    } else if count == 1 {
        let uuid = &first.id.uuid;
        let named = if wanted.contains(uuid.as_str()) { String::new() } else { format!(" ({uuid})") };
        format!("wants {wanted}{named}, which {by} holds: free it, or drop {}", field(group))
    } else {
        format!("wants {wanted}, and all {count} that fit are held by {by}: free one, or drop {}", field(group))
    };
    (Code::DeviceTaken, why)
}

pub(super) fn fewer_than_named(group: &Group<'_>, node: &str, there: usize, by: &[&str]) -> Why {
    let why = format!(
        "wants {}, and {node} has only {there} GPU(s), held by {}: bring the GPU back, or correct `placement.device`",
        wanted(group),
        names(by)
    );
    (Code::NoMatchingGpu, why)
}

pub(super) fn in_use(group: &Group<'_>, count: usize, by: &[&str]) -> Why {
    let remedy = "add a GPU, or let roles take turns with `placement.shareWith`";
    let why = format!(
        "wants {} with {}, and the {count} GPU(s) that fit and are not held by others have {}: {remedy}",
        wanted(group),
        group.largest().total,
        names(by)
    );
    (Code::NotEnoughGpus, why)
}

/// Roles in words, at most four by name.
fn names(roles: &[&str]) -> String {
    let named: Vec<String> = roles.iter().take(4).map(|r| format!("`{r}`")).collect();
    let more = roles.len().saturating_sub(4);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", named.join(", "))
}
