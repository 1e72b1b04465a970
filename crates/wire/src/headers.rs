//! Names of the HTTP headers that our programs read and write.

/// Layer that answered: [`layer`](crate::layout::Layer) in lower case, `memory` for a muscle-memory hit.
pub const LAYER: &str = "x-cherokee-layer";
/// Name of the role that answered, as in `spec.roles[].name`.
pub const ROLE: &str = "x-cherokee-role";
/// Device that answered: its UUID, or `cpu`.
pub const DEVICE: &str = "x-cherokee-device";
/// Why the query went there: one of [`Reason`](crate::layout::Reason) in kebab case.
pub const REASON: &str = "x-cherokee-reason";
/// `hit`, `miss`, `bypass` (the query must not be remembered), `down` (no store) or `late` (the worker was faster).
pub const MEMORY: &str = "x-cherokee-memory";
/// Provenance of a remembered answer: `day` or `dream`, a `/`, and its version: `dream/2`.
pub const PROVENANCE: &str = "x-cherokee-provenance";
/// Set by callers of a worker: [`INTERACTIVE`] (default) or [`BACKGROUND`].
pub const PRIORITY: &str = "x-cherokee-priority";
/// Value of [`PRIORITY`] for a query that a person waits for.
pub const INTERACTIVE: &str = "interactive";
/// Value of [`PRIORITY`] for dream work: it yields to every interactive query within one step.
pub const BACKGROUND: &str = "background";
/// Set to `no-store` by a client that wants neither a look-up nor an entry.
pub const CACHE_CONTROL: &str = "cache-control";
/// `false` tells OpenAI's client libraries not to repeat a refused query on their own.
pub const SHOULD_RETRY: &str = "x-should-retry";
/// Identifies one query in the logs of gateway and worker.
pub const REQUEST_ID: &str = "x-request-id";
