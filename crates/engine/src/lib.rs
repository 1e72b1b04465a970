//! The inference engine: GGUF models of Llama's kind (Llama, Qwen 2) on candle, batched, with priorities.
//!
//! A caller loads models ([`load`]), starts the [`Engine`], and submits [`Query`]s; each answers with a stream of
//! [`Event`]s. One thread owns the device. In every step it asks [`schedule::plan`] who computes, packs their tokens
//! into one batch without padding, runs [`model::Llama::forward`] once, samples, and sends what became text.
//!
//! | file | owns |
//! | --- | --- |
//! | `contract.rs` | what callers see: queries, events, refusals, reports |
//! | `engine.rs`, `queue.rs`, `runner.rs`, `sequence.rs` | the front, the bounded queue, the device thread, one answer in the making |
//! | `schedule.rs` | who computes in the next step: pure |
//! | `model/` | GGUF file, configuration, weights, rotary embedding, KV cache, attention, forward |
//! | `tokenizer/`, `template.rs` | text to tokens and back, chat template, all from the file |
//! | `sampler.rs`, `stop.rs` | next token, stop texts |
//! | `device.rs`, `memory.rs` | where it computes and what that takes |
//!
//! It knows neither HTTP nor Kubernetes, nor roles.

mod contract;
mod device;
mod engine;
mod error;
mod loading;
mod memory;
pub mod model;
mod queue;
mod runner;
pub mod sampler;
pub mod schedule;
mod sequence;
pub mod stop;
mod template;
pub mod tokenizer;

pub use contract::{
    Class, Event, Finish, Load, ModelInfo, Query, Refused, Report, Sampling, Shape, Ticket, Turn, Usage,
};
pub use device::{Compute, DeviceChoice, DeviceInfo, DeviceKind};
pub use engine::Engine;
pub use error::Error;
pub use loading::{Model, Options, load, measure};
pub use memory::{Memory, resident_bytes};
pub use template::ChatTemplate;
