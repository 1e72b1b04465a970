//! The log of a program, on stderr.

use clap::ValueEnum;
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Arguments of the log; `RUST_LOG` filters its lines, `info` by default.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Logging {
    /// How log lines are written
    #[arg(long, env = "CHEROKEE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

impl Logging {
    /// Starts the log, unless the process has one already: a test that holds a program keeps its own.
    pub fn start(self) {
        let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal());
        let started = match self.log_format {
            LogFormat::Text => log.try_init(),
            LogFormat::Json => log.json().try_init(),
        };
        if let Err(error) = started {
            tracing::debug!(%error, "the process has a log already");
        }
    }
}
