//! Prometheus metrics, ours and those names of vLLM that dashboards and autoscalers know.

use cherokee_engine::Load;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Upper bounds of times, in seconds.
const SECONDS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];

/// How a query ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// Answered.
    Answered,
    /// Wrong, or for a model that is not here.
    Invalid,
    /// The queue was full.
    Full,
    /// Loading or draining.
    Closed,
    /// The client went away.
    Cancelled,
    /// The engine failed.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcomes {
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByModel {
    model_name: String,
}

/// All metrics of a worker.
pub struct Metrics {
    registry: Registry,
    requests: Family<Outcomes, Counter>,
    prompt_tokens: Family<ByModel, Counter>,
    generation_tokens: Family<ByModel, Counter>,
    first_token: Family<ByModel, Histogram>,
    whole: Family<ByModel, Histogram>,
    running: [Gauge; 2],
    waiting: [Gauge; 2],
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            prompt_tokens: Family::default(),
            generation_tokens: Family::default(),
            first_token: times(),
            whole: times(),
            running: Default::default(),
            waiting: Default::default(),
        };
        let Self { registry, requests, prompt_tokens, generation_tokens, first_token, whole, running, waiting } =
            &mut metrics;
        registry.register("cherokee_worker_requests", "Queries by how they ended", requests.clone());
        registry.register("vllm:prompt_tokens", "Tokens of prompts", prompt_tokens.clone());
        registry.register("vllm:generation_tokens", "Tokens of answers", generation_tokens.clone());
        registry.register("vllm:time_to_first_token_seconds", "Until the first token", first_token.clone());
        registry.register("vllm:e2e_request_latency_seconds", "Until the last token", whole.clone());
        for (prefix, running, waiting) in
            [("cherokee_worker_queries", &running[0], &waiting[0]), ("vllm:num_requests", &running[1], &waiting[1])]
        {
            registry.register(format!("{prefix}_running"), "Queries being answered", running.clone());
            registry.register(format!("{prefix}_waiting"), "Queries waiting for a place", waiting.clone());
        }
        metrics
    }

    /// The text that Prometheus reads.
    pub fn text(&self, load: Load) -> String {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        for (running, waiting) in self.running.iter().zip(&self.waiting) {
            running.set(count(load.running));
            waiting.set(count(load.waiting));
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// Counts a query that was refused.
    pub fn refused(&self, outcome: Outcome) {
        self.requests.get_or_create(&Outcomes { outcome }).inc();
    }

    fn ended(&self, meter: &Meter, outcome: Outcome) {
        self.requests.get_or_create(&Outcomes { outcome }).inc();
        let model = ByModel { model_name: meter.model.clone() };
        self.prompt_tokens.get_or_create(&model).inc_by(count(meter.prompt_tokens));
        self.generation_tokens.get_or_create(&model).inc_by(count(meter.completion_tokens));
        if let Some(first) = meter.first {
            self.first_token.get_or_create(&model).observe(first.as_secs_f64());
        }
        if outcome == Outcome::Answered {
            self.whole.get_or_create(&model).observe(meter.begun.elapsed().as_secs_f64());
        }
    }
}

/// Measures one accepted query, and counts it when dropped: as cancelled, unless it was told otherwise.
pub struct Meter {
    metrics: Arc<Metrics>,
    model: String,
    request: String,
    begun: Instant,
    first: Option<Duration>,
    prompt_tokens: usize,
    /// Tokens of the answer; known at its end.
    pub completion_tokens: usize,
    /// How it ended.
    pub outcome: Outcome,
}

impl Meter {
    /// Begins now. `request` identifies the query in logs.
    pub fn new(metrics: Arc<Metrics>, model: String, request: String, prompt_tokens: usize) -> Self {
        let (begun, outcome) = (Instant::now(), Outcome::Cancelled);
        Self { metrics, model, request, begun, first: None, prompt_tokens, completion_tokens: 0, outcome }
    }

    /// Notes that something of the answer is there.
    pub fn first(&mut self) {
        self.first.get_or_insert_with(|| self.begun.elapsed());
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.metrics.ended(self, self.outcome);
        tracing::info!(
            request = self.request,
            model = self.model,
            outcome = ?self.outcome,
            prompt_tokens = self.prompt_tokens,
            completion_tokens = self.completion_tokens,
            first_token_seconds = self.first.map(|first| first.as_secs_f64()),
            seconds = self.begun.elapsed().as_secs_f64(),
            "query ended"
        );
    }
}

fn times() -> Family<ByModel, Histogram> {
    Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram)
}

fn count(tokens: usize) -> u64 {
    u64::try_from(tokens).unwrap_or(u64::MAX)
}
