//! The engine: whole answers.

use cherokee_engine::{
    Class, Compute, DeviceChoice, Engine, Error, Event, Finish, Options, Query, Refused, Sampling, Shape, Ticket, Turn,
    Usage, load, measure,
};
use std::time::{Duration, Instant};

const MODEL: &str = "smol";

fn engine(options: &Options) -> Engine {
    let compute = Compute::open(DeviceChoice::Cpu, None).expect("the CPU");
    let loaded = load(&[(MODEL.into(), super::path())], options, &compute).expect("the model loads");
    Engine::start(loaded, options, compute).expect("the engine starts")
}

fn options() -> Options {
    Options { context_tokens: Some(256), sequences: 2, max_waiting: 2, ..Options::default() }
}

fn ask(text: &str, max_tokens: usize) -> Query {
    Query {
        model: MODEL.into(),
        shape: Shape::Chat(vec![Turn { role: "user".into(), content: text.into() }]),
        max_tokens: Some(max_tokens),
        stop: Vec::new(),
        sampling: Sampling { temperature: 0.0, ..Sampling::default() },
        class: Class::Interactive,
    }
}

/// The whole text, why it ended and what it took.
fn answer(mut ticket: Ticket) -> (String, Finish, Usage) {
    let mut text = String::new();
    loop {
        match ticket.events.blocking_recv().expect("an end comes before the channel ends") {
            Event::Text(new) => text.push_str(&new),
            Event::Done { finish, usage } => return (text, finish, usage),
            Event::Failed(fault) => panic!("{fault}"),
        }
    }
}

fn answered(engine: &Engine, query: Query) -> (String, Finish, Usage) {
    answer(engine.submit(query).expect("it is accepted"))
}

#[test]
fn answers_are_sound_and_end_as_asked() {
    let engine = engine(&options());

    let (text, finish, usage) = answered(&engine, ask("Say hello.", 60));
    assert!(text.contains("Hello"), "{text}");
    assert_eq!(finish, Finish::Stop);
    assert!(usage.prompt_tokens > 20 && usage.completion_tokens > 3, "{usage:?}");

    let (text, finish, usage) = answered(&engine, ask("Tell me a story.", 7));
    assert!(!text.is_empty());
    assert_eq!((finish, usage.completion_tokens), (Finish::Length, 7));

    let count = Query { shape: Shape::Text("1, 2, 3, 4, 5, 6,".into()), ..ask("", 40) };
    let (text, finish, _) = answered(&engine, Query { stop: vec![" 9,".to_owned()], ..count });
    assert_eq!((text.as_str(), finish), (" 7, 8,", Finish::Stop));

    let draw = |seed| {
        let sampling = Sampling { temperature: 1.0, top_p: 0.95, seed: Some(seed) };
        answered(&engine, Query { sampling, ..ask("Write a poem.", 24) }).0
    };
    assert_eq!(draw(1), draw(1), "an equal seed gives an equal answer");
    assert_ne!(draw(1), draw(2), "another seed gives another answer");

    // A prompt of several steps that reaches the end of the context.
    let long = Query { shape: Shape::Text("one two three ".repeat(80)), max_tokens: None, ..ask("", 0) };
    let (_, finish, usage) = answered(&engine, long);
    assert_eq!((finish, usage.prompt_tokens + usage.completion_tokens), (Finish::Length, 256));
}

#[test]
fn what_cannot_be_answered_is_refused_with_its_reason() {
    let engine = engine(&options());
    let refusal = |query| engine.submit(query).expect_err("it is refused");
    let unknown = refusal(Query { model: "other".into(), ..ask("Hi", 1) });
    assert_eq!(unknown.to_string(), "model `other` is not loaded here; loaded: smol");
    let long = refusal(Query { shape: Shape::Text("word ".repeat(300)), ..ask("", 1) });
    assert!(matches!(long, Refused::TooLong { context: 256, prompt } if prompt >= 300), "{long:?}");
    // Known by its length: no token was made of it.
    let far_too_long = refusal(Query { shape: Shape::Text("word ".repeat(1_000_000)), ..ask("", 1) });
    let by_length = matches!(far_too_long, Refused::TooLong { context: 256, prompt } if prompt < 1_000_000);
    assert!(by_length, "{far_too_long:?}");

    // Two places and two waiting: the fifth of a class is one too many, of the other class the first is not.
    let long_answer = || ask("Count from 1 to 1000, one number a line.", 200);
    let tickets: Vec<Ticket> = (0..4).map(|_| engine.submit(long_answer()).expect("there is room")).collect();
    assert!(matches!(refusal(long_answer()), Refused::Full { limit: 2, .. }));
    // A full queue is seen before the prompt is read.
    let long = Query { shape: Shape::Text("word ".repeat(300)), ..ask("", 1) };
    assert!(matches!(refusal(long), Refused::Full { .. }));
    let background = engine.submit(Query { class: Class::Background, ..ask("Hi", 1) }).expect("a queue of its own");
    // Dropping the tickets cancels them, which frees their places for the one that is left.
    drop(tickets);
    assert_eq!(answer(background).2.completion_tokens, 1);
    // An end is said a moment before its place is given back.
    let deadline = Instant::now() + Duration::from_mins(1);
    while engine.load().running + engine.load().waiting > 0 {
        assert!(Instant::now() < deadline, "a place is not given back");
        std::thread::yield_now();
    }
}

#[test]
fn background_work_stands_still_while_an_interactive_query_runs_and_ends_unchanged() {
    let engine = engine(&Options { sequences: 1, ..options() });
    let dream = Query { class: Class::Background, ..ask("Tell me about the sea.", 40) };
    let alone = answered(&engine, dream.clone());

    let mut dreaming = engine.submit(dream).expect("it is accepted");
    let Some(Event::Text(mut text)) = dreaming.events.blocking_recv() else { panic!("a first token") };
    // The only place is taken from the dream, and given back.
    let (_, _, usage) = answered(&engine, ask("Count from 1 to 20.", 8));
    assert_eq!(usage.completion_tokens, 8);
    let rest = answer(dreaming);
    text.push_str(&rest.0);
    assert_eq!((text, rest.1, rest.2), alone);
}

#[test]
fn a_budget_that_is_too_small_is_refused_with_all_numbers_before_anything_is_loaded() {
    let sources = [(MODEL.to_owned(), super::path())];
    let needs = measure(&sources, &options(), true).expect("no limit").total();
    let limited = |limit| Options { memory_limit: Some(limit), ..options() };
    assert!(measure(&sources, &limited(needs), true).is_ok());
    let fault = measure(&sources, &limited(100 << 20), true).expect_err("too small");
    assert!(matches!(fault, Error::OverBudget { budget: 100, .. }), "{fault}");
    assert_eq!(fault.reason(), "NotEnoughMemory");
    assert!(fault.to_string().contains("the budget is 100 MiB"), "{fault}");
}
