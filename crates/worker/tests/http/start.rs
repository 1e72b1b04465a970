//! Starts that fail, and what they say.

use crate::worker::{Worker, model_argument, run_to_end};
use serde_json::{Value, json};

#[test]
fn a_gpu_that_is_not_there_ends_with_code_3_and_its_reason() {
    let (code, message) = run_to_end(&["--model", &model_argument(), "--device", "gpu"], &[]);
    assert_eq!(code, Some(3));
    assert!(message.starts_with("NoGpu: "), "{message}");
}

#[test]
fn a_simulated_gpu_that_was_not_given_ends_in_the_same_way() {
    let environment = [("NVIDIA_VISIBLE_DEVICES", "void")];
    let (code, message) = run_to_end(&["--model", &model_argument(), "--device", "simulated"], &environment);
    assert_eq!((code, message.starts_with("NoGpu: ")), (Some(3), true), "{message}");
}

#[tokio::test]
async fn a_simulated_gpu_is_reported_as_one() {
    let uuid = "GPU-00000000-0000-0000-0000-000000000001";
    let worker =
        Worker::start(&["--model", &model_argument(), "--device", "simulated"], &[("NVIDIA_VISIBLE_DEVICES", uuid)]);
    assert_eq!(worker.get("/healthz").await.status(), 200);
    worker.logged("serving");
    let status: Value = worker.get("/status").await.json().await.expect("JSON");
    assert_eq!((&status["device"]["kind"], &status["device"]["uuid"]), (&json!("simulated"), &json!(uuid)));
}

#[test]
fn a_budget_that_is_too_small_ends_with_the_numbers() {
    let arguments = ["--model", &model_argument(), "--device", "cpu", "--memory-limit-mib", "64"];
    let (code, message) = run_to_end(&arguments, &[]);
    assert_eq!(code, Some(1));
    assert!(message.starts_with("NotEnoughMemory: ") && message.contains("the budget is 64 MiB"), "{message}");
}

#[test]
fn a_folder_without_a_model_ends_with_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = format!("m={}", folder.path().display());
    let (code, message) = run_to_end(&["--model", &model, "--device", "cpu"], &[]);
    assert_eq!(code, Some(1));
    assert!(message.contains("holds 0 .gguf files, exactly one is needed"), "{message}");
}
