//! Where the engine computes. It never falls back to the CPU silently.

use crate::error::Error;
use candle_core::Device;

/// What the caller asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A GPU if there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU, or an error.
    Gpu,
    /// The CPU, standing in for a simulated GPU that the process was given.
    Simulated,
}

/// What computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A CUDA GPU.
    Cuda,
    /// The CPU, as asked.
    Cpu,
    /// The CPU, standing in for a simulated GPU.
    Simulated,
}

/// The device in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// What computes.
    pub kind: DeviceKind,
    /// Product name.
    pub name: String,
    /// UUID of the GPU, real or simulated.
    pub uuid: Option<String>,
}

/// An opened device.
#[derive(Clone, Debug)]
pub struct Compute {
    /// For tensors.
    pub device: Device,
    /// In words.
    pub info: DeviceInfo,
}

impl Compute {
    /// Opens the device. `visible` is the list of GPUs that the container runtime gave to the process
    /// (`NVIDIA_VISIBLE_DEVICES`); a simulated GPU has no other identity.
    pub fn open(choice: DeviceChoice, visible: Option<&str>) -> Result<Self, Error> {
        match choice {
            DeviceChoice::Gpu => cuda::open(),
            DeviceChoice::Auto => cuda::open().or_else(|_| Ok(Self::cpu(DeviceKind::Cpu, None))),
            DeviceChoice::Cpu => Ok(Self::cpu(DeviceKind::Cpu, None)),
            DeviceChoice::Simulated => Ok(Self::cpu(DeviceKind::Simulated, Some(first_gpu(visible)?))),
        }
    }

    /// Bytes of device memory in use, on a GPU.
    pub fn used_bytes(&self) -> Option<u64> {
        cuda::used_bytes(&self.device)
    }

    fn cpu(kind: DeviceKind, uuid: Option<String>) -> Self {
        Self { device: Device::Cpu, info: DeviceInfo { kind, name: cpu_name(), uuid } }
    }
}

/// The first GPU of the list, which names none for `void`, `none` and the like.
fn first_gpu(visible: Option<&str>) -> Result<String, Error> {
    visible
        .and_then(|list| list.split(',').map(str::trim).find(|item| item.starts_with("GPU-")))
        .map(str::to_owned)
        .ok_or_else(|| {
            Error::NoGpu(format!(
                "a simulated GPU was asked for, but NVIDIA_VISIBLE_DEVICES is `{}`: the pod was given none",
                visible.unwrap_or_default()
            ))
        })
}

fn cpu_name() -> String {
    let table = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = table.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

#[cfg(feature = "cuda")]
mod cuda {
    use super::{Compute, DeviceInfo, DeviceKind, Error};
    use candle_core::Device;

    pub(super) fn open() -> Result<Compute, Error> {
        let fault = |fault: &dyn std::fmt::Display| Error::NoGpu(fault.to_string());
        let device = Device::new_cuda(0).map_err(|f| fault(&f))?;
        let stream = device.as_cuda_device().map_err(|f| fault(&f))?.cuda_stream();
        let name = stream.context().name().map_err(|f| fault(&f))?;
        let bytes = stream.context().uuid().map_err(|f| fault(&f))?.bytes;
        let uuid = Some(uuid(&bytes.map(|byte| byte.to_ne_bytes()[0])));
        Ok(Compute { device, info: DeviceInfo { kind: DeviceKind::Cuda, name, uuid } })
    }

    pub(super) fn used_bytes(device: &Device) -> Option<u64> {
        let (free, total) = device.as_cuda_device().ok()?.cuda_stream().context().mem_get_info().ok()?;
        u64::try_from(total - free).ok()
    }

    /// As nvidia-smi writes it.
    fn uuid(bytes: &[u8; 16]) -> String {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("GPU-{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

#[cfg(not(feature = "cuda"))]
mod cuda {
    use super::{Compute, Error};
    use candle_core::Device;

    pub(super) fn open() -> Result<Compute, Error> {
        Err(Error::NoGpu("this program computes on the CPU only, and no CUDA build beside it could open a GPU".into()))
    }

    pub(super) fn used_bytes(_: &Device) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_gpu_has_the_uuid_that_the_container_runtime_gave() {
        let compute = Compute::open(DeviceChoice::Simulated, Some("GPU-aa, GPU-bb")).expect("a device");
        assert_eq!(compute.info.kind, DeviceKind::Simulated);
        assert_eq!(compute.info.uuid.as_deref(), Some("GPU-aa"));
    }

    #[test]
    fn a_simulated_gpu_that_was_not_given_is_no_gpu() {
        for visible in [None, Some("void"), Some("all")] {
            let fault = Compute::open(DeviceChoice::Simulated, visible).expect_err("none was given");
            assert_eq!(fault.reason(), "NoGpu");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_gpu_that_was_asked_for_is_never_replaced_by_the_cpu() {
        assert_eq!(Compute::open(DeviceChoice::Gpu, None).expect_err("no CUDA").reason(), "NoGpu");
        assert_eq!(Compute::open(DeviceChoice::Auto, None).expect("the CPU").info.kind, DeviceKind::Cpu);
    }
}
