//! A slot's claim on its device by DRA: a template, so that each pod has a claim of its own.

use super::child::{Child, Component, Frame, Kind, hash};
use cherokee_api::names::label;
use cherokee_plan::{Access, Slot};
use serde_json::{Value, json};

/// Name of the claim in the pod, and of the request in the claim.
pub(crate) const REQUEST: &str = "gpu";

/// The template of a slot that gets its device by DRA.
pub(crate) fn template(frame: &Frame<'_>, name: &str, slot: &Slot) -> Option<Child> {
    (slot.access == Access::Dra).then(|| {
        let body = json!({
            "metadata": {"labels": {label::SLOT: name}},
            "spec": {
                // Claims carry the labels: by them they are told from foreign ones.
                "metadata": {"labels": {label::CLUSTER: frame.name, label::SLOT: name}},
                "spec": spec(frame, slot),
            },
        });
        frame.child(Kind::ResourceClaimTemplate, template_name(frame, name, slot), Component::Worker, body)
    })
}

/// The slot and a hash of the claim: a claim template can't be changed, so another claim is another template.
pub(crate) fn template_name(frame: &Frame<'_>, name: &str, slot: &Slot) -> String {
    format!("{name}-{}", &hash(&[&spec(frame, slot).to_string()])[..8])
}

fn spec(frame: &Frame<'_>, slot: &Slot) -> Value {
    let class = &frame.cluster.spec.accelerator.device_class_name;
    let expression = format!("device.attributes[device.driver].uuid == {}", json!(slot.device.uuid));
    json!({"devices": {"requests": [{
        "name": REQUEST,
        "exactly": {
            "deviceClassName": class,
            "allocationMode": "ExactCount",
            "count": 1,
            "selectors": [{"cel": {"expression": expression}}],
        },
    }]}})
}
