//! `cherokee-worker`: answers OpenAI requests with local models.

use cherokee_worker::{args::Args, fault::Fault, process, run};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    process::start_log();
    // Before anything has started a thread, as both may replace this process.
    if let Err(fault) = process::become_final(&args) {
        return process::refuse(&args, &fault);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(fault) => return process::refuse(&args, &Fault::Listen(fault.to_string())),
    };
    let outcome = runtime.block_on(run::run(&args));
    // A model may still be loading on a thread that cannot be interrupted; nobody needs it now.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => process::refuse(&args, &fault),
    }
}
