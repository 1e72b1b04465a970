//! Muscle memory and the daemon that tends it.

use crate::{model::SecretRef, schema};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::{KubeSchema, core::Duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The cache of answered queries.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.mode == 'External') == has(self.connectionSecretRef)")
        .message("spec.muscleMemory.connectionSecretRef is required with mode External and only there: name a Secret with the key url")
        .field_path(".connectionSecretRef").reason(Reason::FieldValueInvalid)
)]
pub struct MuscleMemory {
    /// `Managed` (default): a Redis that the operator runs. `External`: yours. `Disabled`: every query goes to a worker.
    #[serde(default)]
    pub mode: MemoryMode,
    /// Memory for entries, as a quantity. Redis itself may use a quarter more. Default `1Gi`; the seed's size is `16Gi`.
    #[serde(default = "one_gib")]
    #[schemars(schema_with = "schema::quantity")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('16Mi')) >= 0")
        .message("spec.muscleMemory.memory must be a quantity of at least 16Mi").reason(Reason::FieldValueInvalid))]
    pub memory: Quantity,
    /// How long an entry lives without being made anew, as `168h`; at least `1m`. Default `168h`.
    #[serde(default = "week")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("self >= duration('1m') && self <= duration('8760h')")
        .message("spec.muscleMemory.timeToLive must be 1m to 8760h").reason(Reason::FieldValueInvalid))]
    pub time_to_live: Duration,
    /// Disk of the managed Redis, so that memory outlives its pod.
    #[serde(default = "Persistence::standard")]
    pub persistence: Persistence,
    /// Secret of this namespace with the key `url`: `rediss://:password@host:6379/0`. With mode `External`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_secret_ref: Option<SecretRef>,
    /// Image of the managed Redis: any that has the program `redis-server` (Redis 7.0 or newer, Valkey 8 or newer). Default:
    /// the operator's own setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
}

/// Who runs the Redis.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum MemoryMode {
    /// The operator.
    #[default]
    Managed,
    /// You.
    External,
    /// Nobody: there is no cache.
    Disabled,
}

/// Disk of the managed Redis. It can't be changed after the cluster was made, as Kubernetes can't change it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Persistence {
    /// Size of the volume, as a quantity. Give it twice `memory` or more, as the log is now and then written anew
    /// beside the old one. Default `2Gi`.
    #[serde(default = "two_gib")]
    #[schemars(schema_with = "schema::quantity")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))")
        .message("spec.muscleMemory.persistence.size must be a quantity above 0, as 2Gi").reason(Reason::FieldValueInvalid))]
    pub size: Quantity,
    /// StorageClass of the volume. Default: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
}

impl Persistence {
    /// 2 GiB of the default class.
    pub fn standard() -> Self {
        Self { size: two_gib(), storage_class_name: None }
    }
}

impl MuscleMemory {
    /// A managed Redis of 1 GiB, entries for a week.
    pub fn standard() -> Self {
        Self {
            mode: MemoryMode::Managed,
            memory: one_gib(),
            time_to_live: week(),
            persistence: Persistence::standard(),
            connection_secret_ref: None,
            image: None,
        }
    }
}

/// The daemon that tends the cache.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Autonomic {
    /// Main memory that the daemon may use, as a quantity. Default `256Mi`.
    #[serde(default = "quarter_gib")]
    #[schemars(schema_with = "schema::quantity")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('64Mi')) >= 0")
        .message("spec.autonomic.memory must be a quantity of at least 64Mi").reason(Reason::FieldValueInvalid))]
    pub memory: Quantity,
    /// How entries cool.
    #[serde(default = "Thermal::standard")]
    pub thermal: Thermal,
}

impl Autonomic {
    /// 256 MiB, half-life of a day.
    pub fn standard() -> Self {
        Self { memory: quarter_gib(), thermal: Thermal::standard() }
    }
}

/// How entries cool: the coldest are evicted first.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Thermal {
    /// Time in which an unused entry loses half of its heat, as `24h`; at least `1m`. Default `24h`.
    #[serde(default = "day")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("self >= duration('1m') && self <= duration('8760h')")
        .message("spec.autonomic.thermal.halfLife must be 1m to 8760h").reason(Reason::FieldValueInvalid))]
    pub half_life: Duration,
}

impl Thermal {
    /// A half-life of a day.
    pub fn standard() -> Self {
        Self { half_life: day() }
    }
}

fn one_gib() -> Quantity {
    Quantity("1Gi".into())
}
fn two_gib() -> Quantity {
    Quantity("2Gi".into())
}
fn quarter_gib() -> Quantity {
    Quantity("256Mi".into())
}
fn day() -> Duration {
    std::time::Duration::from_hours(24).into()
}
fn week() -> Duration {
    std::time::Duration::from_hours(7 * 24).into()
}
