//! Golden outputs of the examples: what a user sees without a cluster. `CHEROKEE_UPDATE_GOLDEN=1 cargo test` writes them anew.

use super::*;
use std::{fs, path::Path};

/// Plans `example` for the seed's two nodes and compares what is printed with tests/golden/`golden`.
fn golden(example: &str, at: &str, output: Output, golden: &str) -> Report {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let now: DateTime<Utc> = at.parse().expect("a time");
    let read = file::read(&here.join("../../manifests/examples").join(example), None).expect("the example is read");
    let cluster = stored_by(read, Some("cherokee"), now);
    let fleet = "bluefin=1x16303,redfin=2x16303".parse::<Gpus>().expect("a fleet").fleet();
    let understood = intent::understand(&cluster, &Hints::default(), &fleet, now).expect("it is accepted");
    let plan = cherokee_plan::plan(&understood.intent, &fleet, now);
    let report = Report::new(understood.strategy, &understood.roles, &understood.intent, &fleet, &plan, now);
    let text = output.text(&report).expect("it is printed");
    let path = here.join("tests/golden").join(golden);
    if std::env::var_os("CHEROKEE_UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, &text).expect("written");
    }
    assert_eq!(
        text,
        fs::read_to_string(&path).expect("a golden file"),
        "{golden} differs: CHEROKEE_UPDATE_GOLDEN=1 writes it anew"
    );
    report
}

const NOON: &str = "2026-11-24T18:00:00Z";
const THREE_AT_NIGHT: &str = "2026-11-24T09:00:00Z";

#[test]
fn the_layer_layout_by_day_and_by_night() {
    let day = golden("layer.yaml", NOON, Output::Table, "layer-day.txt");
    assert!(!day.waits());
    golden("layer.yaml", THREE_AT_NIGHT, Output::Table, "layer-night.txt");
    golden("layer.yaml", THREE_AT_NIGHT, Output::Json, "layer-night.json");
    golden("layer.yaml", THREE_AT_NIGHT, Output::Yaml, "layer-night.yaml");
}

#[test]
fn the_shortest_resource_has_the_roles_of_its_strategy() {
    golden("shortest.yaml", NOON, Output::Table, "shortest.txt");
}

#[test]
fn the_other_layouts_that_this_version_serves() {
    golden("single-gpu.yaml", NOON, Output::Table, "single-gpu.txt");
    golden("specialist.yaml", NOON, Output::Table, "specialist.txt");
    golden("temporal.yaml", NOON, Output::Table, "temporal-day.txt");
    golden("temporal.yaml", THREE_AT_NIGHT, Output::Table, "temporal-night.txt");
    golden("cpu.yaml", NOON, Output::Table, "cpu.txt");
}

#[test]
fn a_role_without_a_place_says_why() {
    let now: DateTime<Utc> = NOON.parse().expect("a time");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = file::read(&here.join("../../manifests/examples/layer.yaml"), None).expect("the example is read");
    let cluster = stored_by(read, None, now);
    let fleet = "bluefin=1x16303,redfin=1x16303".parse::<Gpus>().expect("a fleet").fleet();
    let understood = intent::understand(&cluster, &Hints::default(), &fleet, now).expect("it is accepted");
    let plan = cherokee_plan::plan(&understood.intent, &fleet, now);
    let report = Report::new(understood.strategy, &understood.roles, &understood.intent, &fleet, &plan, now);
    assert!(report.waits());
    let text = report.table();
    assert!(text.contains("backup waits, NoMatchingGpu: "), "{text}");
}
