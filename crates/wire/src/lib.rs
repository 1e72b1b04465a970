//! The contract between the programs: OpenAI and internal requests, answers, headers and error words.
//!
//! Shared by worker, gateway, dream, autonomic, operator and CLI. Only serde and HTTP's types: no client, no clock, no decision.

pub mod error;
pub mod headers;
pub mod hints;
pub mod layout;
pub mod openai;
pub mod role;
pub mod unread;
pub mod worker;
