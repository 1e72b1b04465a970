//! Flags of the gateway; each has an environment variable.

use crate::endpoints::Table;
use std::{fs, io, net::SocketAddr, path::PathBuf, time::Duration};

/// The front door: an OpenAI-compatible address in front of all roles of one CherokeeCluster.
#[derive(clap::Args, Clone)]
pub struct Args {
    /// Address to listen on
    #[arg(long, env = "CHEROKEE_LISTEN", default_value = "[::]:8080")]
    pub listen: SocketAddr,
    /// Namespace of the CherokeeCluster
    #[arg(long, env = "CHEROKEE_NAMESPACE", default_value = "default")]
    pub namespace: String,
    /// Name of the CherokeeCluster
    #[arg(long, env = "CHEROKEE_CLUSTER")]
    pub cluster: String,
    /// Layout document to start with, until the API server has been heard
    #[arg(long, env = "CHEROKEE_LAYOUT_FILE")]
    pub layout_file: Option<PathBuf>,
    /// Redis of the muscle memory: `redis://host:port`; without it nothing is remembered
    #[arg(long, env = "CHEROKEE_REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
    /// File with the address of Redis, instead of `--redis-url`
    #[arg(long, env = "CHEROKEE_REDIS_URL_FILE", conflicts_with = "redis_url")]
    pub redis_url_file: Option<PathBuf>,
    /// File with the password of Redis
    #[arg(long, env = "CHEROKEE_REDIS_PASSWORD_FILE")]
    pub redis_password_file: Option<PathBuf>,
    /// Folder of API keys, one file a client: its name is the tenant, its content the key; without it everybody may ask
    #[arg(long, env = "CHEROKEE_API_KEYS_DIR")]
    pub api_keys_dir: Option<PathBuf>,
    /// Seconds that a query is held while a role is awake but none of its workers can be reached
    #[arg(long, env = "CHEROKEE_HOLD_SECONDS", default_value_t = 20)]
    pub hold_seconds: u64,
    /// Seconds that running queries get to end after a stop signal
    #[arg(long, env = "CHEROKEE_DRAIN_SECONDS", default_value_t = 60)]
    pub drain_seconds: u64,
    /// Seconds to go on accepting after a stop signal, and after each query that comes then, twelve times at most; for pods without a preStop hook
    #[arg(long, env = "CHEROKEE_PRE_STOP_SECONDS", default_value_t = 0)]
    pub pre_stop_seconds: u64,
    /// Seconds that a worker gets for a whole answer, or for the first byte of a stream
    #[arg(long, env = "CHEROKEE_ANSWER_SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    pub answer_seconds: u64,
    /// Seconds without a byte after which a stream counts as cut
    #[arg(long, env = "CHEROKEE_IDLE_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub idle_seconds: u64,
    /// Queries that this gateway carries at once
    #[arg(long, env = "CHEROKEE_MAX_IN_FLIGHT", default_value_t = 512)]
    pub max_in_flight: usize,
    /// Largest body of a query, in bytes
    #[arg(long, env = "CHEROKEE_MAX_BODY_BYTES", default_value_t = 1 << 20)]
    pub max_body_bytes: usize,
    /// Worker at a fixed address, as `SLOT=HOST:PORT`; may be repeated. With it, no API server is asked
    #[arg(long = "static-endpoint", env = "CHEROKEE_STATIC_ENDPOINTS", value_delimiter = ',', value_parser = endpoint, value_name = "SLOT=HOST:PORT")]
    pub static_endpoints: Vec<(String, String)>,
}

/// Address and password of Redis. Neither is ever logged.
pub struct Redis {
    /// `redis://host:port`.
    pub url: String,
    /// Password, if there is one.
    pub password: Option<String>,
}

impl Args {
    /// Where Redis is, from the flags and their files.
    pub fn redis(&self) -> Result<Option<Redis>, (PathBuf, io::Error)> {
        let read = |path: &PathBuf| match fs::read_to_string(path) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => Err((path.clone(), error)),
        };
        let url = match (&self.redis_url, &self.redis_url_file) {
            (Some(url), _) => Some(url.clone()),
            (None, file) => file.as_ref().map(read).transpose()?,
        };
        let Some(url) = url.filter(|url| !url.is_empty()) else { return Ok(None) };
        Ok(Some(Redis { url, password: self.redis_password_file.as_ref().map(read).transpose()? }))
    }

    /// The fixed workers, if there are any.
    pub fn fixed_endpoints(&self) -> Option<Table> {
        let mut table = Table::new();
        for (slot, address) in &self.static_endpoints {
            table.entry(slot.clone()).or_default().insert(address.clone());
        }
        (!table.is_empty()).then_some(table)
    }

    /// How long a query is held.
    pub fn hold(&self) -> Duration {
        Duration::from_secs(self.hold_seconds)
    }
}

fn endpoint(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((slot, address))
            if !slot.is_empty()
                && address
                    .rsplit_once(':')
                    .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) =>
        {
            Ok((slot.to_owned(), address.to_owned()))
        }
        _ => Err("write it as SLOT=HOST:PORT".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    fn parse(words: &[&str]) -> Result<Args, clap::Error> {
        Program::try_parse_from([&["gateway", "--cluster", "cherokee"][..], words].concat()).map(|program| program.args)
    }

    #[test]
    fn fixed_workers_are_read_by_slot() {
        let args = parse(&["--static-endpoint", "a=127.0.0.1:1,b=host:2", "--static-endpoint", "a=[::1]:3"]).unwrap();
        let table = args.fixed_endpoints().unwrap();
        assert_eq!(table["a"].iter().collect::<Vec<_>>(), ["127.0.0.1:1", "[::1]:3"]);
        assert_eq!(table["b"].len(), 1);
        assert!(parse(&["--static-endpoint", "a"]).is_err() && parse(&["--static-endpoint", "a=b"]).is_err());
        assert!(parse(&[]).unwrap().fixed_endpoints().is_none());
    }

    #[test]
    fn the_address_and_password_of_redis_come_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (url, password) = (file("url", "redis://memory:6379\n"), file("password", "secret\n"));
        let redis =
            parse(&["--redis-url-file", &url, "--redis-password-file", &password]).unwrap().redis().unwrap().unwrap();
        assert_eq!((redis.url.as_str(), redis.password.as_deref()), ("redis://memory:6379", Some("secret")));
        assert!(parse(&[]).unwrap().redis().unwrap().is_none());
        assert!(parse(&["--redis-url-file", "/nowhere/url"]).unwrap().redis().is_err());
    }
}
