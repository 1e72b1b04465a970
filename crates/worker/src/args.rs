//! Command line; each argument has an environment variable `CHEROKEE_…` of the same name, repeated ones a line a value.

use crate::download::Host;
use cherokee_engine::DeviceChoice;
use clap::{Parser, ValueEnum};
use ipnet::IpNet;
use std::{net::SocketAddr, path::PathBuf};

/// Answers OpenAI requests with the models that it holds, on one device.
#[derive(Clone, Debug, Parser)]
#[command(version)]
pub struct Args {
    /// Model to hold: a GGUF file, or a folder with exactly one.
    #[arg(long = "model", value_name = "NAME=PATH", env = "CHEROKEE_MODEL", value_delimiter = '\n', value_parser = pair)]
    pub models: Vec<(String, String)>,

    /// Model to download: `http://` or `https://` address of a GGUF file. Needs --model-sha256 of the same name.
    #[arg(
        long = "model-url",
        value_name = "NAME=URL",
        env = "CHEROKEE_MODEL_URL",
        value_delimiter = '\n',
        value_parser = pair
    )]
    pub model_urls: Vec<(String, String)>,

    /// SHA-256 of a model to download, 64 hexadecimal digits.
    #[arg(
        long = "model-sha256",
        value_name = "NAME=HEX",
        env = "CHEROKEE_MODEL_SHA256",
        value_delimiter = '\n',
        value_parser = pair
    )]
    pub model_digests: Vec<(String, String)>,

    /// Folder that keeps downloaded models.
    #[arg(long, value_name = "DIR", env = "CHEROKEE_MODEL_CACHE", default_value = "/var/cache/cherokee/models")]
    pub model_cache: PathBuf,

    /// File with a bearer token for the download of one model. Sent to the host of its --model-url only, not after redirects
    /// to others, and over http:// only with --model-allow-host. FILE alone is for all models: accepted for one version.
    #[arg(
        long = "model-token-file",
        value_name = "NAME=FILE",
        env = "CHEROKEE_MODEL_TOKEN_FILE",
        value_delimiter = '\n',
        value_parser = token_file
    )]
    pub model_token_files: Vec<TokenFile>,

    /// Most bytes that a model to download may have. Default: no limit.
    #[arg(
        long = "model-max-bytes",
        value_name = "NAME=BYTES",
        env = "CHEROKEE_MODEL_MAX_BYTES",
        value_delimiter = '\n',
        value_parser = bytes
    )]
    pub model_max_bytes: Vec<(String, u64)>,

    /// Most bytes that all files in --model-cache may have together. Default: no limit.
    #[arg(long, value_name = "BYTES", env = "CHEROKEE_MODEL_CACHE_MAX_BYTES")]
    pub model_cache_max_bytes: Option<u64>,

    /// Range of addresses that downloads do not connect to, as 10.0.0.0/8. Default: none. Behind a proxy (`HTTPS_PROXY`,
    /// `HTTP_PROXY`, `NO_PROXY`) the proxy decides.
    #[arg(long = "model-deny-range", value_name = "CIDR", env = "CHEROKEE_MODEL_DENY_RANGE", value_delimiter = '\n')]
    pub model_deny_ranges: Vec<IpNet>,

    /// Host that downloads may connect to whatever its addresses are, and that may get a token over http://.
    #[arg(
        long = "model-allow-host",
        value_name = "HOST[:PORT]",
        env = "CHEROKEE_MODEL_ALLOW_HOST",
        value_delimiter = '\n'
    )]
    pub model_allow_hosts: Vec<Host>,

    /// Address to serve on.
    #[arg(long, env = "CHEROKEE_LISTEN", default_value = "[::]:8000")]
    pub listen: SocketAddr,

    /// Device to compute on. `gpu` without a GPU ends with exit code 3.
    #[arg(long, value_enum, env = "CHEROKEE_DEVICE", default_value_t = DeviceArg::Auto)]
    pub device: DeviceArg,

    /// Queries of each model that are answered at once.
    #[arg(long, env = "CHEROKEE_MAX_SEQUENCES", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_sequences: u16,

    /// Queries of each priority that may wait; more are refused with 429.
    #[arg(long, env = "CHEROKEE_MAX_WAITING", default_value_t = 32)]
    pub max_waiting: u16,

    /// Tokens of prompt and answer together. Default: 2048, or the model's own limit if that is less.
    #[arg(long, env = "CHEROKEE_CONTEXT_TOKENS", value_parser = clap::value_parser!(u32).range(16..))]
    pub context_tokens: Option<u32>,

    /// Most memory for weights, KV cache and reserve, in MiB. What does not fit is refused at start.
    #[arg(long, env = "CHEROKEE_MEMORY_LIMIT_MIB")]
    pub memory_limit_mib: Option<u64>,

    /// Threads that compute on the CPU. Default: the CPUs that the process may use.
    #[arg(long, env = "CHEROKEE_THREADS", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,

    /// Seconds that running queries get to end after SIGTERM.
    #[arg(long, env = "CHEROKEE_DRAIN_SECONDS", default_value_t = 30)]
    pub drain_seconds: u64,

    /// File that gets the reason when the worker cannot start.
    #[arg(long, value_name = "FILE", env = "CHEROKEE_TERMINATION_LOG", default_value = "/dev/termination-log")]
    pub termination_log: PathBuf,

    /// GPUs that the container runtime gave to this process.
    #[arg(long, hide = true, env = "NVIDIA_VISIBLE_DEVICES")]
    pub visible_devices: Option<String>,

    /// Only look whether the device can be opened: exit code 0 or 3.
    #[arg(long, hide = true)]
    pub check_device: bool,
}

/// A file with a bearer token, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFile {
    /// Name of the model; all models if none.
    pub model: Option<String>,
    /// The file.
    pub path: PathBuf,
}

/// Device to compute on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceArg {
    /// A GPU if there is one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU.
    Gpu,
    /// The CPU, in place of a simulated GPU that the pod was given.
    Simulated,
}

impl From<DeviceArg> for DeviceChoice {
    fn from(arg: DeviceArg) -> Self {
        match arg {
            DeviceArg::Auto => Self::Auto,
            DeviceArg::Cpu => Self::Cpu,
            DeviceArg::Gpu => Self::Gpu,
            DeviceArg::Simulated => Self::Simulated,
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}

fn bytes(text: &str) -> Result<(String, u64), String> {
    let (name, bytes) = pair(text)?;
    Ok((name, bytes.parse().map_err(|_| format!("`{bytes}` is not a number of bytes"))?))
}

/// `NAME=FILE`, or `FILE` as older operators render it.
fn token_file(text: &str) -> Result<TokenFile, String> {
    match text.split_once('=') {
        // An absolute path may hold an equal sign; a name of a model holds no slash.
        Some((model, _)) if model.contains('/') => Ok(TokenFile { model: None, path: text.into() }),
        Some(_) => pair(text).map(|(model, path)| TokenFile { model: Some(model), path: path.into() }),
        None => Ok(TokenFile { model: None, path: text.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn models_repeat_and_keep_equal_signs_of_addresses() {
        let words = ["worker", "--model", "a=/m/a", "--model", "b=/m/b", "--model-url", "c=https://h/x?y=z"];
        let args = Args::try_parse_from(words).expect("they parse");
        assert_eq!(args.models, [("a".into(), "/m/a".into()), ("b".into(), "/m/b".into())]);
        assert_eq!(args.model_urls, [("c".into(), "https://h/x?y=z".into())]);
        assert!(Args::try_parse_from(["worker", "--model", "nameless"]).is_err());
    }

    #[test]
    fn a_token_file_belongs_to_a_model_or_in_the_old_form_to_all() {
        let words =
            ["worker", "--model-token-file", "a=/t/a=b", "--model-token-file", "/t/c=d", "--model-token-file", "e"];
        let args = Args::try_parse_from(words).expect("they parse");
        let file = |model: Option<&str>, path: &str| TokenFile { model: model.map(str::to_owned), path: path.into() };
        assert_eq!(args.model_token_files, [file(Some("a"), "/t/a=b"), file(None, "/t/c=d"), file(None, "e")]);
        assert!(Args::try_parse_from(["worker", "--model-token-file", "=/t"]).is_err());
    }
}
