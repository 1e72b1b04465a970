//! Models: where their files are and what is known of them before they can be read.

use crate::schema;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A model that roles may name.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(self.uri.startsWith('http://') || self.uri.startsWith('https://')) || has(self.sha256)")
        .message("spec.models[].sha256 is required with an http:// or https:// uri: add the SHA-256 of the file, 64 hex digits")
        .field_path(".sha256").reason(Reason::FieldValueRequired),
    validation = Rule::new("has(self.parameters) || has(self.size)")
        .message("spec.models[] needs parameters (as 1.1B) or size (of the file, as 700Mi): the planner sizes GPUs by it")
        .reason(Reason::FieldValueRequired),
    validation = Rule::new("!(self.uri.startsWith('http://') && has(self.credentialsSecretRef))")
        .message("spec.models[].credentialsSecretRef needs an https:// uri: over http:// everybody on the way could read the token")
        .field_path(".credentialsSecretRef").reason(Reason::FieldValueInvalid)
)]
pub struct Model {
    /// Name, used by roles and by clients: lower-case letters, digits, `-` and `.`; 1 to 40 characters.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z]([-.a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Address of the GGUF file (of a Llama or Qwen 2): `oci://registry/image:tag` (an image with the file in it, mounted read-only),
    /// `pvc://claim/path/file.gguf` (in a PersistentVolumeClaim of this namespace), or `https://…` and `http://…` with
    /// `sha256` (downloaded when its worker starts).
    #[schemars(length(min = 8, max = 512))]
    #[x_kube(validation = Rule::new("['oci://', 'pvc://', 'https://', 'http://'].exists(s, self.startsWith(s) && self.size() > s.size())")
        .message("spec.models[].uri must start with oci://, pvc://, https:// or http:// and name a file or image").reason(Reason::FieldValueInvalid),
        validation = Rule::new(r"!(self.startsWith('pvc://') && self.matches('/[.][.](/|$)'))")
        .message("spec.models[].uri must stay inside the claim: remove `..`").reason(Reason::FieldValueInvalid))]
    pub uri: String,
    /// File inside an `oci://` image, relative to its root: `models/resonance.gguf`. Default: the one .gguf file in
    /// the image's `models` folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_./\-]*$"))]
    #[x_kube(validation = Rule::new("!self.contains('..')").message("spec.models[].path must stay inside the image: remove `..`").reason(Reason::FieldValueInvalid))]
    pub path: Option<String>,
    /// SHA-256 of the file, 64 hex digits in lower case. Required with `http://` and `https://`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64), regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: Option<String>,
    /// Secret of this namespace whose key `token` is sent as a bearer token when the file is downloaded. Not
    /// with `http://`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
    /// Number of parameters, as `160M`, `1.1B` or `14B`. Used to size GPUs before the file can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^[0-9]{1,6}(\.[0-9]{1,3})?[KMBT]$"))]
    pub parameters: Option<String>,
    /// How the weights are stored. Default `F16`.
    #[serde(default)]
    pub dtype: Dtype,
    /// Size of the file, as a quantity: `94Mi`. Wins over `parameters` times `dtype`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))")
        .message("spec.models[].size must be a quantity above 0, as 700Mi").reason(Reason::FieldValueInvalid))]
    pub size: Option<Quantity>,
    /// Tokens of prompt and answer together, 128 to 1048576. Default 2048.
    #[serde(default = "context_tokens")]
    #[schemars(range(min = 128, max = 1_048_576))]
    pub context_tokens: i32,
    /// Bytes of KV cache that one token takes, 1024 to 16777216. Default: estimated from `parameters`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1024, max = 16_777_216))]
    pub kv_bytes_per_token: Option<i32>,
}

/// How weights are stored; bytes per parameter as in the GGUF block formats.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum Dtype {
    /// 32 bits a parameter.
    F32,
    /// 16 bits a parameter.
    #[default]
    F16,
    /// 16 bits a parameter.
    BF16,
    /// 8.5 bits a parameter.
    #[serde(rename = "Q8_0")]
    Q8_0,
    /// 6.6 bits a parameter.
    #[serde(rename = "Q6_K")]
    Q6K,
    /// 5.5 bits a parameter.
    #[serde(rename = "Q5_K_M")]
    Q5KM,
    /// 4.9 bits a parameter.
    #[serde(rename = "Q4_K_M")]
    Q4KM,
    /// 5 bits a parameter.
    #[serde(rename = "Q4_1")]
    Q4_1,
    /// 4.5 bits a parameter.
    #[serde(rename = "Q4_0")]
    Q4_0,
}

/// A Secret of the same namespace.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

fn context_tokens() -> i32 {
    2048
}
