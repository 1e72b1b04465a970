//! The process itself: its threads, its CUDA twin, its log, its last words.

use crate::{
    args::{Args, DeviceArg},
    fault::Fault,
};
use cherokee_engine::Compute;
use std::{
    io,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// Read by candle and rayon at their first use, blind to the CPU limit of a container.
const THREADS: [&str; 2] = ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"];
/// File name of the CUDA build beside this one. It cannot even start without a driver, so it is not the entry point.
const CUDA_TWIN: &str = "cherokee-worker-cuda";
/// Exit code when a GPU was asked for and there is none.
const EXIT_NO_GPU: u8 = 3;

/// Makes this process the one that serves: the CUDA build where a GPU is wanted and works, with as many threads as the
/// process may use CPUs. Replaces the process where that takes another program or environment, else returns.
pub fn become_final(args: &Args) -> Result<(), Fault> {
    let wants_gpu = matches!(args.device, DeviceArg::Gpu | DeviceArg::Auto);
    if args.check_device {
        return Ok(());
    }
    let itself = std::env::current_exe().map_err(|fault| Fault::Process(format!("own path is unknown: {fault}")))?;
    let twin = cuda_twin(&itself).filter(|twin| wants_gpu && starts(twin));
    let threads_are_set = THREADS.iter().all(|name| std::env::var_os(name).is_some());
    if twin.is_none() && threads_are_set {
        return Ok(());
    }
    let threads = args.threads.map_or_else(usable_cpus, usize::from).to_string();
    let mut command = Command::new(twin.unwrap_or(itself));
    command.args(std::env::args_os().skip(1));
    for name in THREADS {
        command.env(name, &threads);
    }
    Err(Fault::Process(format!("cannot start again with {threads} threads: {}", command.exec())))
}

/// The CUDA build, if this is the CPU build and the other lies beside it.
fn cuda_twin(itself: &std::path::Path) -> Option<PathBuf> {
    if cfg!(feature = "cuda") {
        return None;
    }
    Some(itself.with_file_name(CUDA_TWIN)).filter(|twin| twin.is_file())
}

/// Whether the CUDA build starts and opens a device: without a driver the loader ends it before `main`.
fn starts(twin: &std::path::Path) -> bool {
    let mut probe = Command::new(twin);
    probe.args(["--check-device", "--device", "gpu"]).stdin(Stdio::null()).stdout(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// CPUs by affinity and by the quota of the control group, rounded down, at least 1.
fn usable_cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Opens the device and closes it again.
pub fn check_device(args: &Args) -> Result<(), Fault> {
    Compute::open(args.device.into(), args.visible_devices.as_deref()).map(drop).map_err(Fault::Engine)
}

/// Structured log to stderr; `RUST_LOG` sets what is shown, default `info`.
pub fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(io::stderr);
    tracing_subscriber::registry().with(filter).with(lines).init();
}

/// Says why the worker cannot go on, in the log and where Kubernetes reads it, and gives the exit code.
pub fn refuse(args: &Args, fault: &Fault) -> ExitCode {
    let reason = fault.reason();
    tracing::error!(reason, message = %fault, "the worker cannot go on");
    // Outside Kubernetes there is no such file, and none is needed.
    let _ = std::fs::write(&args.termination_log, format!("{reason}: {fault}\n"));
    ExitCode::from(if reason == "NoGpu" { EXIT_NO_GPU } else { 1 })
}
