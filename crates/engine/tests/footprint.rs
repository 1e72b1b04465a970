//! What the process holds, against what the engine reports. Alone in its program: other tests' models would count too.

use cherokee_engine::{Class, Compute, DeviceChoice, Engine, Event, Options, Query, Sampling, Shape, load};

#[test]
fn the_process_holds_no_more_than_the_engine_reports() {
    let path =
        std::env::var_os("CHEROKEE_TEST_MODEL").expect("CHEROKEE_TEST_MODEL names the model: run `make test-model`");
    let before = cherokee_engine::resident_bytes().expect("a number");
    let options = Options { context_tokens: Some(256), sequences: 2, ..Options::default() };
    let compute = Compute::open(DeviceChoice::Cpu, None).expect("the CPU");
    let loaded = load(&[("smol".into(), path.into())], &options, &compute).expect("the model loads");
    let engine = Engine::start(loaded, &options, compute).expect("the engine starts");
    let query = Query {
        model: "smol".into(),
        shape: Shape::Text("Hello".into()),
        max_tokens: Some(4),
        stop: Vec::new(),
        sampling: Sampling { temperature: 0.0, ..Sampling::default() },
        class: Class::Interactive,
    };
    let mut ticket = engine.submit(query).expect("it is accepted");
    while !matches!(ticket.events.blocking_recv().expect("an end"), Event::Done { .. }) {}
    let grown = engine.observed_bytes().expect("a number").saturating_sub(before);
    let reported = engine.report().memory.total();
    assert!(grown <= reported, "grown by {} MiB, reported {} MiB", grown >> 20, reported >> 20);
}
