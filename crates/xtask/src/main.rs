//! `make gen` and `make check`: what is generated, and what is checked beside the compiler.
//!
//! [`generate`] writes the CRD and its copy in the chart; [`chart`] lints the chart and renders it into
//! `manifests/install.yaml`; [`chart_cases`] renders it in the ways its users do; [`arrows`], [`modules`] and [`lengths`] check the
//! architecture.

mod arrows;
mod chart;
mod chart_cases;
mod files;
mod generate;
mod imports;
mod lengths;
mod modules;

use clap::{Parser, Subcommand};
use files::Mode;
use std::{path::PathBuf, process::ExitCode};

/// Generates files and checks the architecture.
#[derive(Parser)]
#[command(name = "xtask")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Write crds/ and the chart's copy of it from the Rust types
    Gen {
        /// Write nothing; fail where a file differs
        #[arg(long)]
        check: bool,
    },
    /// Lint the chart, render it in the ways its users do, and render it into manifests/install.yaml
    Render {
        /// Write nothing; fail where the file differs
        #[arg(long)]
        check: bool,
        /// The helm program
        #[arg(long, default_value = "helm")]
        helm: PathBuf,
    },
    /// Check which crate depends on which, which module imports which, and how long files are
    Check,
}

/// Why a task failed.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0} cannot be read or written: {1}")]
    File(PathBuf, std::io::Error),
    #[error("`{0}` cannot be run: {1}")]
    Run(String, std::io::Error),
    #[error("`{0}` failed: {1}")]
    Failed(String, String),
    #[error("{0}: {1}")]
    Yaml(&'static str, serde_saphyr::ser::Error),
    #[error("{0} is not YAML: {1}")]
    Read(&'static str, Box<serde_saphyr::Error>),
    #[error("cargo metadata: {0}")]
    Metadata(serde_json::Error),
    #[error("{0} is not what it would be generated as\nhint: {1}")]
    Differs(PathBuf, &'static str),
    #[error("{0}")]
    Breaches(String),
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Gen { check } => generate::run(Mode::of(check)),
        Task::Render { check, helm } => chart::render(Mode::of(check), &helm).and_then(|()| chart_cases::check(&helm)),
        Task::Check => arrows::check().and_then(|()| modules::check()).and_then(|()| lengths::check()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
