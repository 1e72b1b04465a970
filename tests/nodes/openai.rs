//! The official `openai` Python package, unmodified, against the gateway.

use crate::support::{Ground, layer_spec};
use serde_json::json;
use std::process::Command;

#[tokio::test]
async fn the_openai_package_works_unmodified() {
    let ground = Ground::new("t-openai").await;
    let secret: k8s_openapi::api::core::v1::Secret =
        serde_json::from_value(json!({"metadata": {"name": "keys"}, "stringData": {"alice": "sk-alice-for-tests"}}))
            .expect("a Secret");
    let secrets = kube::Api::namespaced(ground.client.clone(), &ground.namespace);
    secrets.create(&kube::api::PostParams::default(), &secret).await.expect("created");
    let mut spec = layer_spec();
    spec["gateway"]["auth"] = json!({"mode": "ApiKey", "secretRef": {"name": "keys"}});
    ground.apply("c", spec).await;
    ground.ready("c").await;
    let python = std::env::var("CHEROKEE_TEST_PYTHON")
        .expect("CHEROKEE_TEST_PYTHON must name a Python with `openai`: run `make test-nodes`");
    let url = format!("{}/v1", ground.gateway("c").await);
    let ran = tokio::task::spawn_blocking(move || {
        Command::new(python).arg("tests/clients/openai_client.py").args([&url, "sk-alice-for-tests"]).output()
    });
    let ran = ran.await.expect("joined").expect("started");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    assert!(said.contains("all checks passed"), "{said}");
    ground.remove().await;
}
