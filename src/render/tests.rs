use super::*;
use crate::args::SimulatedGpus;
use cherokee_api::names::label;
use cherokee_plan::{
    Access, DeviceId, Layer, Memory, Mib, Model, Node, RoleOutcome, RoleState, Slot,
    intent::{Activation, Placement, Role as PlannedRole, Seconds},
};
use k8s_openapi::api;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

fn settings() -> Settings {
    Settings {
        image: "registry/cherokee:1".into(),
        worker_image: "registry/worker:1".into(),
        redis_image: "registry/redis:8".into(),
        image_pull_policy: "IfNotPresent".into(),
        simulated_gpus: SimulatedGpus::Allow,
        identity: "test".into(),
        namespace: "cherokee-system".into(),
    }
}

fn cluster(more: &Value) -> CherokeeCluster {
    let mut body = json!({
        "apiVersion": "cherokee.ai/v1alpha1", "kind": "CherokeeCluster",
        "metadata": {"name": "herd", "namespace": "prairie", "uid": "u-1"},
        "spec": {
            "models": [{"name": "tiny.v1", "uri": "oci://registry/tiny:1", "size": "94Mi", "contextTokens": 1024}],
            "roles": [{"name": "talk", "layer": "Conscious", "model": "tiny.v1", "routing": {"default": true, "modelNames": ["small"]}},
                {"name": "dream", "layer": "Subconscious", "model": "tiny.v1"}],
        },
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        body["spec"][key] = value.clone();
    }
    serde_json::from_value(body).unwrap()
}

fn intent() -> Intent {
    let role = |layer, default_route| PlannedRole {
        layer,
        model: "tiny.v1".into(),
        max_sequences: 4,
        budget: None,
        activation: Activation::Always,
        wake: Vec::new(),
        overflow: false,
        default_route,
        placement: Placement::default(),
    };
    let model = Model {
        revision: "r1".into(),
        weights: Mib(94),
        kv_bytes_per_token: 1024,
        context_tokens: 1024,
        parameters: None,
        dtype: "Q4_1".into(),
    };
    Intent {
        cluster: cherokee_plan::ClusterId::default(),
        time_zone: cherokee_plan::Zone::utc(),
        cpu_only: false,
        models: [("tiny.v1".into(), model)].into(),
        roles: [("talk".into(), role(Layer::Conscious, true)), ("dream".into(), role(Layer::Subconscious, false))]
            .into(),
        drain: Seconds(30),
        lead_time: Seconds(120),
        serving: BTreeMap::new(),
        queries_per_second: None,
    }
}

fn slot(uuid: &str, role: &str, access: Access, on: bool) -> Slot {
    Slot {
        device: DeviceId { node: "redfin".into(), uuid: uuid.into() },
        access,
        models: ["tiny.v1".into()].into(),
        roles: [role.into()].into(),
        max_sequences: 4,
        memory: Memory { weights: Mib(94), kv_cache: Mib(90), reserve: Mib(64), total: Mib(248) },
        on,
    }
}

fn plan(access: Access) -> Plan {
    let role = |slot: &str, state| RoleOutcome { state, until: None, slots: [slot.into()].into(), waits: None };
    Plan {
        slots: [
            ("herd-00000001".into(), slot("GPU-1", "talk", access, true)),
            ("herd-00000002".into(), slot("GPU-2", "dream", access, false)),
        ]
        .into(),
        roles: [
            ("talk".into(), role("herd-00000001", RoleState::Awake)),
            ("dream".into(), role("herd-00000002", RoleState::Asleep)),
        ]
        .into(),
        ..Plan::default()
    }
}

fn fleet(simulated: bool) -> Fleet {
    Fleet { nodes: [("redfin".into(), Node { simulated, usable: true, ..Node::default() })].into() }
}

fn rendered(cluster: &CherokeeCluster, access: Access, simulated: bool) -> Desired {
    render(&Scene {
        cluster,
        settings: &settings(),
        roles: &cluster.spec.roles,
        intent: &intent(),
        plan: &plan(access),
        held: &BTreeSet::new(),
        fleet: &fleet(simulated),
        password: &Password { secret: "secret-word".into(), stored: false },
        since: &["herd-00000001", "herd-00000002"].map(|s| (s.to_owned(), "2026-11-24T12:00:00Z".to_owned())).into(),
    })
    .unwrap()
}

fn all(desired: &Desired) -> Vec<&Child> {
    let Desired { created, accounts, config, network, memory, front, claims, workers, password: _, held: _ } = desired;
    [created, accounts, config, network, memory, front, claims, workers].into_iter().flatten().collect()
}

fn find<'a>(desired: &'a Desired, kind: Kind, name: &str) -> &'a Value {
    &all(desired).into_iter().find(|c| c.kind == kind && c.name == name).unwrap().body
}

/// A body that its type reads and writes back unchanged has no field that its kind does not know.
fn unchanged<K: Serialize + DeserializeOwned>(body: &Value) -> Value {
    serde_json::to_value(serde_json::from_value::<K>(body.clone()).unwrap()).unwrap()
}

#[test]
fn every_child_has_only_fields_that_its_kind_knows() {
    for access in [Access::Dra, Access::DevicePlugin] {
        let desired = rendered(
            &cluster(&json!({"workers": {"tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]}})),
            access,
            false,
        );
        for child in all(&desired) {
            let body = &child.body;
            let back = match child.kind {
                Kind::ConfigMap => unchanged::<api::core::v1::ConfigMap>(body),
                Kind::Service => unchanged::<api::core::v1::Service>(body),
                Kind::ServiceAccount => unchanged::<api::core::v1::ServiceAccount>(body),
                Kind::Role => unchanged::<api::rbac::v1::Role>(body),
                Kind::RoleBinding => unchanged::<api::rbac::v1::RoleBinding>(body),
                Kind::NetworkPolicy => unchanged::<api::networking::v1::NetworkPolicy>(body),
                Kind::PodDisruptionBudget => unchanged::<api::policy::v1::PodDisruptionBudget>(body),
                Kind::ResourceClaimTemplate => unchanged::<api::resource::v1::ResourceClaimTemplate>(body),
                Kind::StatefulSet => unchanged::<api::apps::v1::StatefulSet>(body),
                Kind::Deployment => unchanged::<api::apps::v1::Deployment>(body),
            };
            assert_eq!(&back, body, "{} {}", child.kind, child.name);
        }
    }
}

#[test]
fn every_pod_obeys_the_restricted_profile() {
    let desired = rendered(&cluster(&json!({})), Access::Dra, false);
    let mut pods = 0;
    for child in all(&desired) {
        let Some(spec) = child.body.pointer("/spec/template/spec") else { continue };
        pods += 1;
        assert_eq!(
            (&spec["securityContext"]["runAsNonRoot"], &spec["securityContext"]["seccompProfile"]["type"]),
            (&json!(true), &json!("RuntimeDefault"))
        );
        let lists = ["containers", "initContainers"].map(|list| spec[list].as_array());
        for container in lists.into_iter().flatten().flatten() {
            assert_eq!(container["terminationMessagePolicy"], "FallbackToLogsOnError", "{}", child.name);
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false, "{}", child.name);
            assert_eq!(context["readOnlyRootFilesystem"], true, "{}", child.name);
            assert_eq!(context["capabilities"]["drop"], json!(["ALL"]), "{}", child.name);
        }
    }
    assert_eq!(pods, 5, "two slots, Redis, gateway, autonomic");
}

#[test]
fn a_slot_by_dra_claims_its_very_device_and_its_template_is_the_same_all_day() {
    let desired = rendered(&cluster(&json!({})), Access::Dra, true);
    let on = find(&desired, Kind::Deployment, "herd-00000001");
    let template = on["spec"]["template"]["spec"]["resourceClaims"][0]["resourceClaimTemplateName"].as_str().unwrap();
    let claim = find(&desired, Kind::ResourceClaimTemplate, template);
    let expression = &claim["spec"]["spec"]["devices"]["requests"][0]["exactly"]["selectors"][0]["cel"]["expression"];
    assert_eq!(expression, "device.attributes[device.driver].uuid == \"GPU-1\"");
    assert_eq!(on["metadata"]["annotations"]["cherokee.ai/device"], "redfin/GPU-1");
    assert_eq!(on["spec"]["replicas"], 1);
    assert_eq!(find(&desired, Kind::Deployment, "herd-00000002")["spec"]["replicas"], 0);

    let scene_off = cluster(&json!({}));
    let mut asleep = plan(Access::Dra);
    asleep.slots.get_mut("herd-00000001").unwrap().on = false;
    let off = render(&Scene {
        cluster: &scene_off,
        settings: &settings(),
        roles: &scene_off.spec.roles,
        intent: &intent(),
        plan: &asleep,
        held: &BTreeSet::new(),
        fleet: &fleet(true),
        password: &Password::default(),
        since: &BTreeMap::new(),
    })
    .unwrap();
    assert_eq!(find(&off, Kind::Deployment, "herd-00000001")["spec"]["template"], on["spec"]["template"]);
}

#[test]
fn a_worker_is_told_what_it_computes_on() {
    let args = |spec: &Value, access, simulated| -> Vec<String> {
        let desired = rendered(&cluster(spec), access, simulated);
        serde_json::from_value(
            find(&desired, Kind::Deployment, "herd-00000001")["spec"]["template"]["spec"]["containers"][0]["args"]
                .clone(),
        )
        .unwrap()
    };
    let has = |args: Vec<String>, word: &str| args.iter().any(|a| a == word);
    assert!(has(args(&json!({}), Access::Dra, false), "--device=gpu"));
    assert!(has(args(&json!({}), Access::DevicePlugin, true), "--device=simulated"));
    let on_cpu = |cpu| args(&json!({"accelerator": {"mode": "CPU"}, "workers": {"cpu": cpu}}), Access::None, true);
    assert!(has(on_cpu("200m"), "--device=cpu"));
    assert!(has(on_cpu("200m"), "--threads=1") && has(on_cpu("2500m"), "--threads=3"));
    assert!(!args(&json!({}), Access::Dra, false).iter().any(|a| a.starts_with("--threads")));
    assert!(has(args(&json!({}), Access::Dra, false), "--model=tiny.v1=/models/tiny.v1/models"));
    let claim = json!({"models": [{"name": "tiny.v1", "uri": "pvc://files/a/b.gguf", "size": "94Mi"}]});
    assert!(has(args(&claim, Access::Dra, false), "--model=tiny.v1=/models/tiny.v1/a/b.gguf"));
    let digest = "0".repeat(64);
    let web = json!({"models": [{"name": "tiny.v1", "uri": "https://models.example/b.gguf", "size": "94Mi", "sha256": digest}]});
    assert!(has(args(&web, Access::Dra, false), &format!("--model-sha256=tiny.v1={digest}")));
}

#[test]
fn every_program_is_told_to_listen_on_ipv6_and_ipv4() {
    let desired = rendered(&cluster(&json!({})), Access::Dra, true);
    let text: Vec<_> = all(&desired).into_iter().map(|child| child.body.to_string()).collect();
    let told: Vec<_> =
        text.iter().flat_map(|body| body.split('"')).filter(|arg| arg.starts_with("--listen=")).collect();
    assert!(told.len() >= 4, "gateway, autonomic, workers and dream: {told:?}");
    assert!(told.iter().all(|arg| arg.starts_with("--listen=[::]:")), "{told:?}");
}

#[test]
fn autoscalers_leave_the_nodes_of_workers_alone() {
    let desired = rendered(&cluster(&json!({})), Access::Dra, true);
    let slots = all(&desired).into_iter().filter(|child| child.body["metadata"]["labels"].get(label::SLOT).is_some());
    let slots: Vec<_> = slots.filter(|child| child.kind == Kind::Deployment).collect();
    assert!(!slots.is_empty());
    for slot in slots {
        let annotations = &slot.body["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"], "false", "{}", slot.name);
        assert_eq!(annotations["karpenter.sh/do-not-disrupt"], "true", "{}", slot.name);
    }
}

#[test]
fn a_gateway_that_ends_has_more_time_than_its_workers_need() {
    let desired = rendered(&cluster(&json!({"workers": {"drain": "10s"}})), Access::Dra, false);
    let pod = &find(&desired, Kind::Deployment, "herd-gateway")["spec"]["template"]["spec"];
    let args: Vec<String> = serde_json::from_value(pod["containers"][0]["args"].clone()).unwrap();
    let seconds = |flag: &str| -> i64 { args.iter().find_map(|a| a.strip_prefix(flag)).unwrap().parse().unwrap() };
    let (pre_stop, drain) = (seconds("--pre-stop-seconds="), seconds("--drain-seconds="));
    assert!(pre_stop > 0 && drain >= 300);
    assert!(pod["terminationGracePeriodSeconds"].as_i64().unwrap() > pre_stop + drain);
    assert!(pod["containers"][0].get("lifecycle").is_none(), "it would wait twice");
}

#[test]
fn the_password_is_nowhere_but_in_its_secret() {
    let herd = cluster(&json!({}));
    let desired = rendered(&herd, Access::Dra, false);
    for child in all(&desired) {
        assert!(!child.body.to_string().contains("secret-word"), "{} {}", child.kind, child.name);
    }
    let secret = password_secret("prairie", &herd, desired.password.as_ref().unwrap());
    let data = secret.string_data.unwrap();
    assert_eq!(
        (data["password"].as_str(), data["password.conf"].as_str()),
        ("secret-word", "requirepass secret-word\n")
    );
}

#[test]
fn redis_is_ready_when_it_answers_and_its_log_is_mended_before_it_starts() {
    let pod = |spec: &Value| {
        let desired = rendered(&cluster(spec), Access::Dra, false);
        find(&desired, Kind::StatefulSet, "herd-memory")["spec"]["template"]["spec"].clone()
    };
    let ours = pod(&json!({}));
    for probe in ["startupProbe", "readinessProbe"] {
        let command = &ours["containers"][0][probe]["exec"]["command"];
        assert_eq!(command, &json!(["redis-cli", "-e", "-p", "6379", "ping"]));
    }
    let mender = &ours["initContainers"][0];
    assert_eq!((&mender["args"], mender.get("lifecycle")), (&json!(["mend-log", "/data/appendonlydir"]), None));
    // A user's image need not have `redis-cli`.
    let theirs = pod(&json!({"muscleMemory": {"image": "registry/own:1"}}));
    assert_eq!(theirs["containers"][0]["readinessProbe"]["tcpSocket"]["port"], 6379);
    assert_eq!(theirs["containers"][0].get("env"), None);
}

#[test]
fn without_muscle_memory_there_is_neither_redis_nor_daemon() {
    let desired = rendered(&cluster(&json!({"muscleMemory": {"mode": "Disabled"}})), Access::Dra, false);
    assert!(desired.memory.is_empty() && desired.password.is_none());
    assert!(!all(&desired).iter().any(|c| c.name == "herd-autonomic"));
    let pod = &find(&desired, Kind::Deployment, "herd-00000002")["spec"]["template"]["spec"];
    assert_eq!(pod["containers"].as_array().unwrap().len(), 1, "nothing to dream of");
}

#[test]
fn dream_workers_are_changed_before_conscious_ones() {
    let desired = rendered(&cluster(&json!({})), Access::Dra, false);
    let names: Vec<_> = desired.workers.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["herd-00000002", "herd-00000001"]);
}

#[test]
fn the_layout_says_who_is_awake_where() {
    let desired = rendered(&cluster(&json!({})), Access::Dra, false);
    let text = find(&desired, Kind::ConfigMap, "herd-layout")["data"]["layout.json"].as_str().unwrap();
    let layout: cherokee_wire::layout::Layout = serde_json::from_str(text).unwrap();
    assert_eq!(layout.roles["talk"].slots, ["herd-00000001"]);
    assert!(layout.roles["talk"].default_route);
    assert_eq!(layout.roles["talk"].model_names, ["small"]);
    assert_eq!(layout.slots["herd-00000002"].device, "GPU-2");
    assert_eq!(layout.memory.unwrap().budget_bytes, 1 << 30);
}

#[test]
fn a_stored_password_counts_only_while_both_of_its_keys_agree() {
    let password = Password { secret: "word".into(), stored: false };
    let mut secret = password_secret("ns", &cluster(&json!({})), &password);
    // The API server keeps as `data` what came as `stringData`.
    let data = secret.string_data.take().unwrap();
    let bytes = |text: String| k8s_openapi::ByteString(text.into_bytes());
    secret.data = Some(data.into_iter().map(|(key, text)| (key, bytes(text))).collect());
    assert_eq!(crate::children::stored_password(&secret).as_deref(), Some("word"));
    for (key, text) in [("password", "another"), ("password.conf", "requirepass another\n")] {
        let mut rotated = secret.clone();
        rotated.data.as_mut().unwrap().insert(key.into(), bytes(text.into()));
        assert_eq!(crate::children::stored_password(&rotated), None, "only {key} was changed");
        rotated.data.as_mut().unwrap().remove(key);
        assert_eq!(crate::children::stored_password(&rotated), None, "{key} is gone");
    }
}
