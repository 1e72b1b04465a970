//! The front door, and the load that is expected there.

use crate::{model::SecretRef, schema};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The front door: one OpenAI-compatible address for all roles.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    /// Copies of the gateway, 1 to 16. Default 2.
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 16))]
    pub replicas: i32,
    /// Who may ask. Default: everyone who reaches the Service.
    #[serde(default = "Auth::standard")]
    pub auth: Auth,
    /// What happens to a query when everybody who could answer sleeps. Default `Refuse`.
    #[serde(default)]
    pub when_asleep: WhenAsleep,
}

impl Gateway {
    /// Two copies, open to the cluster.
    pub fn standard() -> Self {
        Self { replicas: two(), auth: Auth::standard(), when_asleep: WhenAsleep::Refuse }
    }
}

/// Who may ask.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.mode == 'ApiKey') == has(self.secretRef)")
        .message("spec.gateway.auth.secretRef is required with mode ApiKey and only there: name a Secret, each of whose keys is one API key")
        .field_path(".secretRef").reason(Reason::FieldValueInvalid)
)]
pub struct Auth {
    /// `None` (default) or `ApiKey`.
    #[serde(default)]
    pub mode: AuthMode,
    /// Secret of this namespace: each key names a client, its value is the client's API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

impl Auth {
    /// Open to everyone who reaches the Service.
    pub fn standard() -> Self {
        Self { mode: AuthMode::None, secret_ref: None }
    }
}

/// How clients prove who they are.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum AuthMode {
    /// Not at all.
    #[default]
    None,
    /// By an API key in the header `Authorization: Bearer …`.
    ApiKey,
}

/// What happens to a query when everybody who could answer sleeps.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum WhenAsleep {
    /// 503 with the seconds to wait in the message; `Retry-After` says at most 60.
    #[default]
    Refuse,
    /// Wake someone and let the query wait. Served by a later version.
    Wake,
}

/// What is expected: for advice, capacity and cost only.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// Queries a second at the busiest time, 0 to 1000000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub queries_per_second: Option<i32>,
    /// Price of one GPU hour in dollars, as a decimal: `0.35`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::decimal")]
    pub gpu_hour_price: Option<String>,
}

fn two() -> i32 {
    2
}
