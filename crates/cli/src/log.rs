//! The log of gateway, autonomic daemon and dream; the operator starts its own.

use cherokee_operator::LogFormat;
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// How log lines are written; which ones, `RUST_LOG` says: `info` by default.
#[derive(clap::Args)]
pub(crate) struct Logging {
    /// How log lines are written
    #[arg(long, env = "CHEROKEE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

impl Logging {
    /// Starts the log, on stderr.
    pub(crate) fn start(&self) {
        let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal());
        match self.log_format {
            LogFormat::Text => log.init(),
            LogFormat::Json => log.json().init(),
        }
    }
}
