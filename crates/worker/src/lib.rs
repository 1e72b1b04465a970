//! The worker: OpenAI's endpoints over the models of one slot, on one device.
//!
//! It knows models and priorities, neither roles nor Kubernetes. The way of a query: `api/` reads and checks it, the
//! engine accepts or refuses it at once, `api/answer.rs` turns the engine's events into one body or a stream.
//!
//! | file | owns |
//! | --- | --- |
//! | `args.rs` | command line and environment |
//! | `run.rs` | a life: listen, get the models, load, serve, drain, end |
//! | `sources.rs`, `download/` | from arguments to model files |
//! | `app.rs` | what all requests share, and the phases Loading, Serving, Draining |
//! | `api/` | endpoints |
//! | `metrics.rs` | Prometheus |
//! | `fault.rs` | why it ends before its time |
//! | `process.rs` | threads, CUDA twin, termination message |

pub mod api;
pub mod app;
pub mod args;
pub mod clock;
pub mod download;
pub mod fault;
pub mod metrics;
pub mod process;
pub mod run;
pub mod sources;
