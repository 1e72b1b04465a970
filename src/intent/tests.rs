use super::*;
use cherokee_api::Strategy;
use cherokee_plan::{
    Access, Device, Holder, Layer, Mib, Node, RoleState,
    intent::{Activation, DeviceChoice, Interval},
};
use cherokee_wire::hints::Wake;
use proptest::{prelude::*, strategy::Strategy as _};
use serde_json::{Value, json};

const NOON: &str = "2026-11-24T18:00:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn example(name: &str) -> CherokeeCluster {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/examples").join(name);
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn cluster(spec: Value) -> CherokeeCluster {
    let mut spec = spec;
    if spec.get("models").is_none() {
        spec["models"] = json!([{"name": "resonance", "uri": "pvc://models/resonance.gguf", "parameters": "1.1B"}]);
    }
    serde_json::from_value(json!({
        "apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster",
        "metadata": {"name": "cherokee", "namespace": "prairie", "uid": "u-1", "creationTimestamp": "2026-11-01T00:00:00Z"},
        "spec": spec,
    }))
    .unwrap()
}

fn fleet(nodes: &[(&str, usize)]) -> Fleet {
    let device = |name: &str, i| Device {
        uuid: format!("GPU-{name}-{i}"),
        product: "Simulated RTX 5070".into(),
        memory: Mib(16_303),
        holder: Holder::Free,
    };
    let node = |name: &str, count| Node {
        usable: true,
        access: Access::Dra,
        devices: (0..count).map(|i| device(name, i)).collect(),
        ..Node::default()
    };
    Fleet { nodes: nodes.iter().map(|(name, count)| ((*name).to_owned(), node(name, *count))).collect() }
}

fn seeds_nodes() -> Fleet {
    fleet(&[("bluefin", 1), ("redfin", 2)])
}

fn understood(cluster: &CherokeeCluster) -> Understood {
    understand(cluster, &Hints::default(), &seeds_nodes(), at(NOON)).unwrap()
}

fn refused(spec: Value) -> (&'static str, String) {
    let refusal = understand(&cluster(spec), &Hints::default(), &seeds_nodes(), at(NOON)).unwrap_err();
    (refusal.reason(), refusal.to_string())
}

#[test]
fn every_example_that_this_version_serves_is_understood_and_finds_its_place() {
    for name in ["shortest.yaml", "layer.yaml", "single-gpu.yaml", "specialist.yaml", "temporal.yaml", "cpu.yaml"] {
        let understood = understood(&example(name));
        let plan = cherokee_plan::plan(&understood.intent, &seeds_nodes(), at(NOON));
        assert!(plan.waiting().next().is_none(), "{name}: {:?}", plan.waiting().collect::<Vec<_>>());
        assert_eq!(plan.roles.len(), understood.roles.len());
        assert_eq!(understood.notes, Vec::<String>::new());
    }
}

#[test]
fn layouts_of_a_later_version_are_refused_by_the_name_of_the_field() {
    for (name, field) in [
        ("hybrid.yaml", "spec.strategy Hybrid"),
        ("enterprise.yaml", "spec.strategy Enterprise"),
        ("model.yaml", "spec.strategy Model"),
    ] {
        let refusal = understand(&example(name), &Hints::default(), &seeds_nodes(), at(NOON)).unwrap_err();
        assert_eq!(refusal.reason(), "NotYetSupported");
        assert!(refusal.to_string().contains(field), "{refusal}");
    }
    let role = |more: Value| {
        let mut role = json!({"name": "talk", "layer": "Conscious", "model": "resonance"});
        role.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"roles": [role]})
    };
    for (spec, field) in [
        (role(json!({"split": {"stages": 2}})), "spec.roles[talk].split"),
        (role(json!({"engine": "vllm"})), "spec.roles[talk].engine `vllm`"),
        (json!({"gateway": {"whenAsleep": "Wake"}}), "spec.gateway.whenAsleep"),
        (json!({"models": [{"name": "m", "uri": "hf://org/model", "parameters": "1B"}]}), "spec.models[m].uri"),
    ] {
        let (reason, message) = refused(spec);
        assert_eq!(reason, "NotYetSupported", "{message}");
        assert!(message.starts_with(field), "{message}");
    }
}

#[test]
fn the_shortest_resource_has_the_roles_of_its_strategy() {
    let names = |spec: Value| understood(&cluster(spec)).roles.iter().map(|r| r.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(json!({"strategy": "Layer"})), ["conscious", "dream", "backup"]);
    assert_eq!(names(json!({"strategy": "SingleGPU"})), ["conscious"]);
    assert_eq!(names(json!({"strategy": "Temporal"})), ["conscious", "dream"]);
    let models = json!([
        {"name": "llama-3.1", "uri": "pvc://m/a.gguf", "parameters": "8B", "dtype": "Q4_K_M"},
        {"name": "llama-3-1", "uri": "pvc://m/b.gguf", "parameters": "8B", "dtype": "Q4_K_M"},
    ]);
    assert_eq!(names(json!({"strategy": "Specialist", "models": models})), ["llama-3-1", "llama-3-1-2"]);
    let layer = understood(&cluster(json!({"strategy": "Layer"})));
    let dream = &layer.intent.roles["dream"];
    assert!(
        dream.overflow
            && dream.layer == Layer::Subconscious
            && matches!(&dream.activation, Activation::Scheduled(w) if w.len() == 1)
    );
    assert!(layer.intent.roles["conscious"].default_route && !layer.intent.roles["backup"].default_route);
    assert_eq!(layer.roles[2].backs, ["conscious"]);
    let temporal = understood(&cluster(json!({"strategy": "Temporal"})));
    let plan = cherokee_plan::plan(&temporal.intent, &fleet(&[("edge", 1)]), at(NOON));
    assert!(plan.waiting().next().is_none() && plan.slots.len() == 1);
}

#[test]
fn auto_after_another_strategy_is_decided_anew() {
    let mut cluster = cluster(json!({"strategy": "Auto"}));
    cluster.metadata.generation = Some(3);
    let mut status = |generation: i64| {
        let placed = json!({"type": "Placed", "status": "True", "reason": "Placed", "message": "",
            "observedGeneration": generation, "lastTransitionTime": NOON});
        cluster.status = serde_json::from_value(json!({"strategy": "Layer", "conditions": [placed]})).unwrap();
        understand(&cluster, &Hints::default(), &fleet(&[]), at(NOON)).unwrap().strategy
    };
    assert_eq!(status(2), Strategy::SingleGpu, "the last spec named Layer");
    assert_eq!(status(3), Strategy::Layer, "a version without status.auto decided it for this spec");
}

#[test]
fn many_wake_ups_that_are_ignored_are_summed_up() {
    let mut cluster = cluster(json!({}));
    cluster.metadata.annotations =
        Some((0..1500).map(|n| (format!("wake.cherokee.ai/r{n}"), "x".to_owned())).collect());
    let notes = understood(&cluster).notes;
    assert_eq!(notes.len(), 5);
    assert!(notes[4].starts_with("1496 more wake-ups are ignored"), "{}", notes[4]);
}

#[test]
fn auto_is_decided_from_models_and_gpus_and_then_kept() {
    let auto =
        |spec: Value, fleet: &Fleet| understand(&cluster(spec), &Hints::default(), fleet, at(NOON)).unwrap().strategy;
    assert_eq!(auto(json!({}), &seeds_nodes()), Strategy::Layer);
    assert_eq!(auto(json!({}), &fleet(&[("edge", 1)])), Strategy::SingleGpu);
    assert_eq!(auto(json!({"load": {"queriesPerSecond": 5}}), &seeds_nodes()), Strategy::SingleGpu);
    let two = json!([{"name": "a", "uri": "pvc://m/a.gguf", "parameters": "1B"}, {"name": "b", "uri": "pvc://m/b.gguf", "parameters": "1B"}]);
    assert_eq!(auto(json!({"models": two}), &seeds_nodes()), Strategy::Specialist);
    let mut kept = cluster(json!({}));
    kept.status = Some(serde_json::from_value(json!({"auto": {"strategy": "Layer", "gpus": 3}})).unwrap());
    let without_gpus = |cluster: &CherokeeCluster| {
        let understood = understand(cluster, &Hints::default(), &fleet(&[]), at(NOON)).unwrap();
        (understood.strategy, understood.auto.map(|auto| auto.gpus))
    };
    assert_eq!(without_gpus(&kept), (Strategy::Layer, Some(3)));
    // Any new value of the annotation asks for a new decision.
    kept.metadata.annotations = Some([("cherokee.ai/decide-auto".to_owned(), "1".to_owned())].into());
    assert_eq!(without_gpus(&kept), (Strategy::SingleGpu, Some(0)));
    kept.status =
        Some(serde_json::from_value(json!({"auto": {"strategy": "Layer", "gpus": 3, "asked": "1"}})).unwrap());
    assert_eq!(without_gpus(&kept), (Strategy::Layer, Some(3)));
    let mut taken = seeds_nodes();
    taken.nodes.get_mut("redfin").unwrap().devices[0].holder = Holder::Foreign;
    assert_eq!(auto(json!({}), &taken), Strategy::SingleGpu);
}

#[test]
fn roles_that_do_not_have_the_form_of_the_strategy_are_a_mismatch() {
    let talk = json!({"name": "talk", "layer": "Conscious", "model": "resonance"});
    let backup = json!({"name": "backup", "layer": "Backup", "model": "resonance"});
    for (strategy, roles, part) in [
        ("SingleGPU", json!([talk, backup]), "asks for one role, and spec.roles has 2"),
        ("Layer", json!([backup]), "asks for a role of layer Conscious"),
        ("Specialist", json!([talk, backup]), "asks for a role of layer Specialist"),
        ("Temporal", json!([talk]), "asks for a role of layer Subconscious"),
    ] {
        let (reason, message) = refused(json!({"strategy": strategy, "roles": roles}));
        assert_eq!(reason, "StrategyMismatch");
        assert!(message.starts_with(&format!("spec.strategy {strategy} {part}")), "{message}");
    }
    assert_eq!(understood(&cluster(json!({"roles": [talk, backup]}))).strategy, Strategy::Layer);
}

#[test]
fn what_is_wrong_is_refused_by_field_fault_and_remedy() {
    let roles = |more: Value| {
        let mut role = json!({"name": "dream", "layer": "Subconscious", "model": "resonance"});
        role.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"roles": [{"name": "talk", "layer": "Conscious", "model": "resonance"}, role]})
    };
    let window = |schedule: &str, duration: &str| {
        roles(json!({"activation": "Scheduled", "windows": [{"schedule": schedule, "duration": duration}]}))
    };
    for (spec, part) in [
        (json!({"timeZone": "Mars/Olympus"}), "spec.timeZone `Mars/Olympus`"),
        (window("0 2 31 2 *", "1h"), "spec.roles[dream].windows[].schedule `0 2 31 2 *` never happens"),
        (window("0 2 * *", "1h"), "spec.roles[dream].windows[].schedule `0 2 * *` is no cron line"),
        (window("* 2 * * *", "1h"), "spec.roles[dream].windows[].schedule `* 2 * * *` must have plain numbers"),
        (window("0 2 * * *", "25h"), "spec.roles[dream].windows[].duration"),
        (roles(json!({"activation": "Scheduled"})), "spec.roles[dream].windows is empty"),
        (roles(json!({"activation": "OnDemand"})), "spec.roles[dream].onDemand is required"),
        (roles(json!({"model": "none"})), "spec.roles[dream].model `none` is not in spec.models"),
        (roles(json!({"name": "talk"})), "spec.roles has `talk` twice"),
        (roles(json!({"backs": ["nobody"]})), "spec.roles[dream].backs names `nobody`"),
        (roles(json!({"gpuMemory": "1Ki"})), "spec.roles[dream].gpuMemory `1Ki`"),
        (roles(json!({"placement": {"shareWith": ["dream"]}})), "spec.roles[dream].placement.shareWith names `dream`"),
        (
            roles(json!({"placement": {"shareWith": ["talk"], "apartFrom": ["talk"]}})),
            "spec.roles[dream].placement: `dream` and `talk`",
        ),
        (json!({"workers": {"drain": "2h"}}), "spec.workers.drain"),
    ] {
        let (reason, message) = refused(spec);
        assert_eq!(reason, "InvalidSpec", "{message}");
        assert!(message.starts_with(part), "{message}");
    }
}

#[test]
fn sharing_awake_is_refused_as_a_later_versions_and_not_in_cpu_mode() {
    let spec = |mode: &str| {
        json!({"accelerator": {"mode": mode}, "roles": [
            {"name": "talk", "layer": "Conscious", "model": "resonance"},
            {"name": "dream", "layer": "Subconscious", "model": "resonance", "placement": {"shareWith": ["talk"]}},
        ]})
    };
    let (reason, message) = refused(spec("GPU"));
    assert_eq!(reason, "NotYetSupported");
    assert!(message.contains("placement.shareWith"), "{message}");
    assert!(understood(&cluster(spec("CPU"))).intent.cpu_only);
}

#[test]
fn units_and_placement_arrive_in_the_intent() {
    let understood = understood(&example("layer.yaml"));
    let intent = &understood.intent;
    let dream = &intent.roles["dream"];
    assert_eq!((intent.roles["conscious"].budget, intent.roles["conscious"].max_sequences), (Some(Mib(6144)), 8));
    assert_eq!(
        (dream.placement.node.as_deref(), dream.placement.device.clone()),
        (Some("redfin"), Some(DeviceChoice::Index(0)))
    );
    assert_eq!((intent.drain.0, intent.lead_time.0, intent.time_zone.name()), (30, 120, "America/Chicago"));
    assert_eq!((intent.models["resonance"].weights, intent.queries_per_second), (Mib(2099), Some(40)));
}

#[test]
fn wake_ups_are_cut_to_their_longest_time_and_what_cannot_be_used_is_a_note() {
    let mut cluster = cluster(json!({"strategy": "Layer"}));
    let wake = |cluster: &mut CherokeeCluster, role: &str, value: &str| {
        let annotations = cluster.metadata.annotations.get_or_insert_default();
        annotations.insert(format!("wake.cherokee.ai/{role}"), value.into());
    };
    wake(&mut cluster, "dream", "2026-11-24T18:00:00Z/2026-11-24T23:00:00Z");
    wake(&mut cluster, "conscious", "2026-11-24T18:00:00Z/2026-11-24T19:00:00Z");
    wake(&mut cluster, "nobody", "2026-11-24T18:00:00Z/2026-11-24T19:00:00Z");
    let hint = Wake { from: "2026-11-24T20:00:00Z".into(), until: "2026-11-24T20:30:00Z".into() };
    let hints = Hints { wake: BTreeMap::from([("dream".into(), hint.clone()), ("backup".into(), hint)]) };
    let understood = understand(&cluster, &hints, &seeds_nodes(), at(NOON)).unwrap();
    let interval = |from, until| Interval { from: at(from), until: at(until) };
    assert_eq!(
        understood.intent.roles["dream"].wake,
        [
            interval("2026-11-24T18:00:00Z", "2026-11-24T19:00:00Z"),
            interval("2026-11-24T20:00:00Z", "2026-11-24T20:30:00Z")
        ]
    );
    let plan = cherokee_plan::plan(&understood.intent, &seeds_nodes(), at(NOON));
    assert_eq!(plan.roles["dream"].state, RoleState::Awake);
    let notes = understood.notes.join("\n");
    assert_eq!(understood.notes.len(), 3, "{notes}");
    for part in [
        "role `conscious` has no trigger `Manual`",
        "role `nobody`, which does not exist",
        "role `backup` has no trigger `Overflow`",
    ] {
        assert!(notes.contains(part), "{notes}");
    }
    for odd in
        ["now", "2026-11-24T18:00:00Z", "2026-11-24T19:00:00Z/2026-11-24T18:00:00Z", "", "9999-99-99T00:00:00Z/x"]
    {
        wake(&mut cluster, "dream", odd);
        let understood = understand(&cluster, &Hints::default(), &seeds_nodes(), at(NOON)).unwrap();
        assert!(understood.intent.roles["dream"].wake.is_empty() && !understood.notes.is_empty(), "{odd}");
    }
}

#[test]
fn the_default_route_falls_to_the_first_that_may_answer() {
    let role = |name: &str, layer: &str| json!({"name": name, "layer": layer, "model": "resonance"});
    let default = |roles: Value| {
        let understood = understood(&cluster(json!({"roles": roles})));
        understood.intent.roles.iter().filter(|(_, r)| r.default_route).map(|(n, _)| n.clone()).collect::<Vec<_>>()
    };
    assert_eq!(default(json!([role("b", "Backup"), role("a", "Specialist"), role("z", "Conscious")])), ["z"]);
    assert_eq!(default(json!([role("b", "Backup"), role("a", "Specialist")])), ["a"]);
    assert_eq!(default(json!([role("d", "Subconscious")])), Vec::<String>::new());
}

fn some_roles() -> impl proptest::strategy::Strategy<Value = Vec<Value>> {
    let layer = prop::sample::select(vec!["Conscious", "Subconscious", "Specialist", "Backup"]);
    let when = prop_oneof![
        Just(json!({})),
        (0u32..60, 0u32..26, "[0-9]{1,2}h").prop_map(|(m, h, d)| json!({"activation": "Scheduled", "windows": [{"schedule": format!("{m} {h} * * *"), "duration": d}]})),
        Just(json!({"activation": "OnDemand", "onDemand": {"triggers": ["Manual", "Overflow"]}})),
    ];
    let place = prop_oneof![
        2 => Just(json!({})),
        1 => (0i32..4).prop_map(|i| json!({"nodeName": "redfin", "device": {"index": i}})),
        1 => (0usize..4).prop_map(|o| json!({"shareWith": [format!("r{o}")]})),
    ];
    prop::collection::vec((layer, when, place, 1i32..257, prop::option::of(0u64..100)), 0..4).prop_map(|list| {
        let role = |(n, (layer, when, place, sequences, memory)): (usize, (&str, Value, Value, i32, Option<u64>))| {
            let mut role = json!({"name": format!("r{n}"), "layer": layer, "model": "resonance", "placement": place, "maxSequences": sequences});
            role.as_object_mut().unwrap().extend(when.as_object().unwrap().clone());
            if let Some(memory) = memory {
                role["gpuMemory"] = json!(format!("{memory}Gi"));
            }
            role
        };
        list.into_iter().enumerate().map(role).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_understood_is_planned_and_what_is_refused_says_why(
        roles in some_roles(),
        strategy in prop::sample::select(vec!["Auto", "SingleGPU", "Layer", "Specialist", "Temporal", "Hybrid"]),
        parameters in "[0-9]{1,6}(\\.[0-9]{1,3})?[KMBT]",
        wake in "[ -~]{0,40}",
        s in 0i64..4_000_000_000,
    ) {
        let models = json!([{"name": "resonance", "uri": "pvc://m/r.gguf", "parameters": parameters}]);
        let mut cluster = cluster(json!({"strategy": strategy, "models": models, "roles": roles}));
        cluster.metadata.annotations = Some([("wake.cherokee.ai/r0".to_owned(), wake)].into());
        let now = DateTime::from_timestamp(s, 0).unwrap();
        match understand(&cluster, &Hints::default(), &seeds_nodes(), now) {
            Ok(understood) => {
                let plan = cherokee_plan::plan(&understood.intent, &seeds_nodes(), now);
                prop_assert_eq!(plan.roles.len(), understood.roles.len());
            }
            Err(refusal) => prop_assert!(refusal.to_string().starts_with("spec."), "{}", refusal),
        }
    }
}
