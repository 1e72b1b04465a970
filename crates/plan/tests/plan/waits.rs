//! Each reason to wait, with its word, its numbers and the next step.

use crate::build::*;
use cherokee_plan::{
    Access, Holder, Intent, Layer, Mib,
    intent::{DeviceChoice, Placement},
    plan,
};
use std::collections::BTreeMap;

fn wish(model: &str, placement: Placement) -> Intent {
    let mut solo = role(Layer::Conscious, model);
    solo.placement = placement;
    intent(&[("solo", solo)])
}

fn why(intent: &Intent, fleet: &cherokee_plan::Fleet) -> (&'static str, String) {
    let plan = plan(intent, fleet, at("2026-11-24T18:00:00Z"));
    let waits = plan.roles["solo"].waits.clone().expect("it waits");
    assert!(plan.slots.is_empty() && plan.roles["solo"].slots.is_empty());
    (waits.code.word(), waits.message)
}

#[test]
fn each_reason_says_what_is_wanted_and_what_to_do() {
    let fleet = fleet(&[("bluefin", 1), ("greyfin", 0)]);
    let selector =
        |v: &str| Placement { node_selector: BTreeMap::from([("zone".into(), v.into())]), ..Placement::default() };
    let device = |d| Placement { device: Some(d), ..on("bluefin", None) };
    for (placement, code, part) in [
        (on("greenfin", None), "NoMatchingNode", "role `solo` wants node greenfin, which does not exist"),
        (selector("a"), "NoMatchingNode", "wants a node with zone=a, and no node has these labels"),
        (on("greyfin", None), "NoMatchingGpu", "wants a GPU of greyfin, and no usable node that fits has one"),
        (on("bluefin", Some(3)), "NoMatchingGpu", "wants device 3 of bluefin, which is not among the 1 GPU(s) there"),
        (device(DeviceChoice::Uuid("GPU-x".into())), "GpuMissing", "wants device GPU-x of bluefin"),
        (device(DeviceChoice::Product("H100".into())), "NoMatchingGpu", "there is only Simulated RTX 5070"),
    ] {
        let (said, message) = why(&wish("resonance", placement), &fleet);
        assert_eq!(said, code, "{message}");
        assert!(message.contains(part) && message.contains(": "), "{message}");
    }
}

#[test]
fn a_model_too_large_names_all_numbers() {
    let (code, message) = why(&wish("council", Placement::default()), &fleet(&[("bluefin", 1)]));
    assert_eq!(code, "NotEnoughGpuMemory");
    assert_eq!(
        message,
        "role `solo` needs 33580 MiB (weights 26703, KV cache 1536, reserve 5341), the largest GPU has 16303 MiB: take a quantised \
         file, lower `maxSequences` or `contextTokens`, or use a larger GPU"
    );
}

#[test]
fn a_budget_below_the_need_is_refused_with_both_numbers() {
    let mut small = wish("resonance", Placement::default());
    small.roles.get_mut("solo").unwrap().budget = Some(Mib(2048));
    let (code, message) = why(&small, &fleet(&[("bluefin", 1)]));
    assert_eq!(code, "NotEnoughGpuMemory");
    assert!(message.contains("its `gpuMemory` is 2048 MiB"), "{message}");
}

#[test]
fn a_device_that_a_foreign_pod_holds_is_said_to_be_taken() {
    let mut held = fleet(&[("redfin", 2)]);
    held.nodes.get_mut("redfin").unwrap().devices[1].holder = Holder::Foreign;
    let (code, message) = why(&wish("resonance", on("redfin", Some(1))), &held);
    assert_eq!(code, "DeviceTaken");
    assert_eq!(
        message,
        "role `solo` wants device 1 of redfin (GPU-redfin-1), which a pod outside of this resource holds: free it, or drop `placement.device`"
    );
}

#[test]
fn gpus_that_are_published_twice_are_not_taken() {
    let mut twice = fleet(&[("redfin", 2)]);
    twice.nodes.get_mut("redfin").unwrap().access = Access::Twice;
    let (code, message) = why(&wish("resonance", Placement::default()), &twice);
    assert_eq!(code, "GpuPublishedTwice");
    assert!(message.contains("`accelerator.access`"), "{message}");
}

#[test]
fn a_model_that_fits_only_quantised_is_advised_with_the_seeds_numbers() {
    let plan = plan(&wish("council", Placement::default()), &fleet(&[("bluefin", 1)]), at("2026-11-24T18:00:00Z"));
    let advice = plan.advice.iter().find(|a| a.code == "QuantisedFitsOneGpu").expect("advice");
    assert!(advice.message.contains("33.6 GB (31.3 GiB) at F16 and 10.3 GB (9.6 GiB) at Q4_K_M"), "{}", advice.message);
}
