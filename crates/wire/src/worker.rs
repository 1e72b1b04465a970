//! A worker's own report at `GET /status` and `GET /download`.

use serde::{Deserialize, Serialize};

/// State of one worker process.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct WorkerStatus {
    /// Models that it answers for.
    pub models: Vec<String>,
    /// Device that it computes on.
    pub device: Device,
    /// Memory of that device, in MiB.
    pub memory: Memory,
    /// Queries being answered.
    pub running: u32,
    /// Queries waiting for a place.
    pub waiting: u32,
    /// Whether it takes new queries.
    pub draining: bool,
}

/// How far a model's file is, at `GET /download`; `null` while nothing is downloaded.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Download {
    /// The model.
    pub model: String,
    /// Bytes that are there, those of earlier attempts included.
    pub bytes: u64,
    /// Size of the file in bytes, if the server tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
}

/// Device that a worker found.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// The backend that computes.
    pub kind: DeviceKind,
    /// Product name, as the driver gives it.
    pub name: String,
    /// UUID of the GPU that the pod was given; absent in CPU mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
}

/// The backend that computes.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// A CUDA GPU.
    Cuda,
    /// The CPU, as `accelerator.mode: CPU` asks.
    Cpu,
    /// The CPU, standing in for a simulated GPU that the pod was given.
    Simulated,
}

/// Memory use, in MiB.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Model weights.
    pub weights_mib: u64,
    /// KV cache as allocated.
    pub kv_cache_mib: u64,
    /// Set aside for activations and the runtime.
    pub reserve_mib: u64,
    /// Sum of the three: the engine never exceeds it.
    pub total_mib: u64,
    /// Memory that the process actually uses: device memory on CUDA, resident set elsewhere.
    pub observed_mib: u64,
}
