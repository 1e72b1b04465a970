//! `kubectl cherokee` as people have it: the built program, on a live cluster. `tests/run.sh` puts it on the PATH.

use crate::{
    server::kubeconfig,
    support::{Ground, slot_of},
};
use cherokee_api::CherokeeClusterStatus;
use std::process::Command;

/// What it says, data and talk together; fails with that unless it ends well.
pub(crate) fn kubectl_cherokee(ground: &Ground, words: &[&str]) -> String {
    let mut program = Command::new("kubectl-cherokee");
    program.args(["-n", &ground.namespace]).args(words).env("KUBECONFIG", kubeconfig());
    let ended = program.output().expect("kubectl-cherokee on the PATH: run `make test-nodes`");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "kubectl cherokee {words:?}: {}\n{said}", ended.status);
    said
}

/// The verbs that change nothing, on [`crate::support::layer_spec`] that is Ready.
pub(crate) fn says_where_everybody_is(ground: &Ground, status: &CherokeeClusterStatus) {
    let slot = slot_of(status, "conscious");
    for words in [&["status", "c"][..], &["status"]] {
        let said = kubectl_cherokee(ground, words);
        let head = format!("{}/c: strategy Layer, 3/3 roles, 3/3 GPUs", ground.namespace);
        assert!(said.starts_with(&head), "{said}");
        let serves = said.lines().any(|l| l.starts_with(&slot) && l.contains("GPU-bluefin-0") && l.contains("Serving"));
        assert!(serves, "{said}");
        assert!(said.lines().any(|l| l.starts_with("dream ") && l.contains("Asleep")), "{said}");
    }

    let said = kubectl_cherokee(ground, &["plan", "c"]);
    assert!(said.starts_with("c: strategy Layer, at "), "{said}");
    let stays = said.lines().any(|l| l.starts_with("conscious ") && l.contains("GPU-bluefin-0") && l.contains(&slot));
    assert!(stays, "the plan is what runs: {said}");

    // Through the API server, as from a machine that has no way into the cluster.
    let said = kubectl_cherokee(ground, &["query", "c", "Name a river.", "--max-tokens", "8"]);
    let (answer, story) = said.trim_end().rsplit_once('\n').expect("an answer, and who gave it");
    assert!(!answer.trim().is_empty(), "{said}");
    assert!(story.starts_with("[layer conscious, role conscious, device GPU-bluefin-0, "), "{said}");
}
