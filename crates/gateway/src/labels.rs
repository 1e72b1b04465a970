//! What an answer says about itself: the `x-cherokee-*` headers.

use crate::route::Candidate;
use cherokee_memory::Entry;
use cherokee_wire::{headers, layout::Reason};
use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// Word of [`headers::LAYER`] for a remembered answer.
pub const MEMORY_LAYER: &str = "memory";
/// Longest request id that is taken from a client.
const MAX_ID_BYTES: usize = 128;

/// What memory did for a query: the value of `x-cherokee-memory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recall {
    /// It answered.
    Hit,
    /// It knew no answer.
    Miss,
    /// It was not asked: disabled, or the query must not be remembered.
    Bypass,
    /// It could not be asked.
    Down,
    /// A worker was faster.
    Late,
}

impl Recall {
    /// The word for headers and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
            Self::Down => "down",
            Self::Late => "late",
        }
    }
}

/// The headers of one answer, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// See [`headers::REQUEST_ID`].
    pub request_id: String,
    /// See [`headers::MEMORY`].
    pub memory: Option<Recall>,
    /// See [`headers::LAYER`].
    pub layer: Option<&'static str>,
    /// See [`headers::ROLE`].
    pub role: Option<String>,
    /// See [`headers::DEVICE`].
    pub device: Option<String>,
    /// See [`headers::REASON`].
    pub reason: Option<Reason>,
    /// See [`headers::PROVENANCE`].
    pub provenance: Option<String>,
}

impl Labels {
    /// Labels with the client's request id, or a fresh one.
    pub fn new(headers: &HeaderMap) -> Self {
        let given = headers.get(headers::REQUEST_ID).and_then(|id| id.to_str().ok());
        let given = given.filter(|id| !id.is_empty() && id.len() <= MAX_ID_BYTES).map(str::to_owned);
        Self { request_id: given.unwrap_or_else(|| Uuid::new_v4().to_string()), ..Self::default() }
    }

    /// A worker answered. The device that it tells wins over the planned one, which may stand for another.
    pub fn answered_by(&mut self, candidate: &Candidate, device: Option<&str>) {
        self.layer = Some(candidate.layer.word());
        self.role = Some(candidate.role.clone());
        self.device = Some(device.unwrap_or(&candidate.device).to_owned());
        self.reason = Some(candidate.reason);
    }

    /// Memory answered: on the CPU, with what `entry`'s role once said.
    pub fn remembered(&mut self, entry: &Entry) {
        self.layer = Some(MEMORY_LAYER);
        self.role = Some(entry.role.clone());
        self.device = Some("cpu".to_owned());
        self.reason = Some(Reason::Remembered);
        self.provenance = Some(entry.provenance_word());
    }

    /// Whether someone else than the role asked for answers.
    pub fn is_fallback(&self) -> bool {
        matches!(self.reason, Some(Reason::Fallback | Reason::Overflow))
    }

    /// Writes the headers.
    pub fn write(&self, to: &mut HeaderMap) {
        let mut put = |name: &'static str, value: Option<&str>| {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                to.insert(HeaderName::from_static(name), value);
            }
        };
        put(headers::REQUEST_ID, Some(&self.request_id));
        put(headers::MEMORY, self.memory.map(Recall::word));
        put(headers::LAYER, self.layer);
        put(headers::ROLE, self.role.as_deref());
        put(headers::DEVICE, self.device.as_deref());
        put(headers::REASON, self.reason.map(Reason::word));
        put(headers::PROVENANCE, self.provenance.as_deref());
    }
}
