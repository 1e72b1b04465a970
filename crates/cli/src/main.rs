//! One program for all parts but the worker: `cherokee operator`, `gateway`, `autonomic`, `dream`; called as `kubectl-cherokee`
//! it is the plugin of kubectl, also as `cherokee kubectl`.

mod kubectl;
mod signals;

use cherokee_daemon::log::Logging;
use clap::{Parser, Subcommand};
use signals::Stop;
use std::{error::Error, ffi::OsString, path::Path, path::PathBuf, process::ExitCode, sync::LazyLock};

/// What `--version` says: our version, and which rules of time zones are built in.
static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} (time zones: IANA {})", env!("CARGO_PKG_VERSION"), cherokee_plan::Zone::database()));

/// Places the roles of language models on single GPUs
#[derive(Parser)]
#[command(name = "cherokee", version = VERSION.as_str())]
struct Cherokee {
    #[command(subcommand)]
    program: Program,
}

#[derive(Subcommand)]
enum Program {
    /// Keep all CherokeeClusters as they are wanted
    Operator(cherokee_operator::Args),
    /// Answer queries for one CherokeeCluster
    Gateway {
        #[command(flatten)]
        args: cherokee_gateway::Args,
        #[command(flatten)]
        log: Logging,
    },
    /// Tend the muscle memory of one CherokeeCluster
    Autonomic {
        #[command(flatten)]
        args: cherokee_autonomic::Args,
        #[command(flatten)]
        log: Logging,
    },
    /// Dream beside a worker
    Dream {
        #[command(flatten)]
        args: cherokee_dream::Args,
        #[command(flatten)]
        log: Logging,
    },
    /// Cut damage off the end of a Redis' append-only log, before that Redis starts
    MendLog {
        /// Folder of the log
        folder: PathBuf,
    },
    /// What kubectl-cherokee does
    Kubectl(kubectl::Args),
}

fn main() -> ExitCode {
    // First of all: the first use of TLS without a provider panics.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("error: a TLS provider was installed before main");
        return ExitCode::FAILURE;
    }
    let words: Vec<OsString> = std::env::args_os().collect();
    if is_plugin(&words) {
        return parsed(kubectl::Args::try_parse_from(words)).map_or_else(|code| code, plugin);
    }
    let program = match parsed(Cherokee::try_parse_from(words)) {
        Ok(cherokee) => cherokee.program,
        Err(code) => return code,
    };
    match program {
        Program::Operator(args) => daemon(|stop| cherokee_operator::run(args, stop)),
        Program::Gateway { args, log } => {
            log.start();
            daemon(|stop| cherokee_gateway::run(args, stop))
        }
        Program::Autonomic { args, log } => {
            log.start();
            daemon(|stop| cherokee_autonomic::run(args, stop))
        }
        Program::Dream { args, log } => {
            log.start();
            daemon(|stop| cherokee_dream::run(args, stop))
        }
        Program::MendLog { folder } => mend_log(&folder),
        Program::Kubectl(args) => plugin(args),
    }
}

fn mend_log(folder: &Path) -> ExitCode {
    match cherokee_autonomic::mend::mend(folder) {
        Ok(cuts) => {
            for cut in cuts {
                eprintln!("{}: damaged behind byte {}, {} bytes are cut off", cut.file.display(), cut.kept, cut.cut);
            }
            ExitCode::SUCCESS
        }
        Err(error) => ended(&error),
    }
}

/// Whether kubectl called us, by the name of the file.
fn is_plugin(words: &[OsString]) -> bool {
    let name = words.first().and_then(|word| Path::new(word).file_name()).unwrap_or_default();
    name.to_string_lossy().starts_with("kubectl-cherokee")
}

/// Wrong usage ends with 1, as in kubectl: 2 is an answer of `plan`.
fn parsed<T>(words: Result<T, clap::Error>) -> Result<T, ExitCode> {
    words.map_err(|error| {
        // Help and version go to stdout, usage to stderr; a closed pipe is no fault of ours.
        let _ = error.print();
        if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    })
}

/// Runs a daemon, which is given what ends on the first signal to stop.
fn daemon<E, F>(work: impl FnOnce(Stop) -> F) -> ExitCode
where
    E: Error + 'static,
    F: Future<Output = Result<(), E>>,
{
    let run = async {
        match signals::stop() {
            Ok(stop) => work(stop).await.map_or_else(|error| ended(&error), |()| ExitCode::SUCCESS),
            Err(error) => ended(&error),
        }
    };
    on_runtime(run).unwrap_or_else(|error| ended(&error))
}

fn plugin(args: kubectl::Args) -> ExitCode {
    match on_runtime(kubectl::run(args)) {
        Ok(Ok(code)) => code,
        Ok(Err(fault)) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
        Err(error) => ended(&error),
    }
}

fn on_runtime<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work))
}

fn ended(error: &dyn Error) -> ExitCode {
    tracing::error!(%error, "ended");
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_lines_are_consistent() {
        Cherokee::command().debug_assert();
        kubectl::Args::command().debug_assert();
    }

    #[test]
    fn the_version_names_the_time_zones_that_are_built_in() {
        let said = concat!(env!("CARGO_PKG_VERSION"), " (time zones: IANA 20");
        for command in [Cherokee::command(), kubectl::Args::command()] {
            assert!(command.get_version().is_some_and(|version| version.starts_with(said)), "{command}");
        }
    }

    #[test]
    fn the_name_of_the_file_makes_it_the_plugin() {
        let called = |name: &str| is_plugin(&[name.into()]);
        assert!(called("/usr/local/bin/kubectl-cherokee") && called("kubectl-cherokee"));
        assert!(!called("/usr/local/bin/cherokee"));
    }
}
