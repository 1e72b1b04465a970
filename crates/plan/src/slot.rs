//! Names of slots.

use crate::fleet::DeviceId;
use sha2::{Digest, Sha256};

/// Stands for the device in CPU mode.
pub const CPU: &str = "cpu";

/// Name of the slot of `cluster` on `device` for these models, each by name and revision: `<cluster>-<8 hex digits>`.
///
/// The order of the models does not matter; the role is no part of it.
pub fn slot_name(cluster: &str, device: &DeviceId, models: &[(&str, &str)]) -> String {
    let mut models = models.to_vec();
    models.sort_unstable();
    let mut hash = Sha256::new();
    // Each part ends in a byte that no name holds, so that no two lists of parts read the same.
    for part in [device.node.as_str(), device.uuid.as_str()] {
        hash.update(part);
        hash.update([0]);
    }
    for (name, revision) in models {
        hash.update(name);
        hash.update([0]);
        hash.update(revision);
        hash.update([0]);
    }
    let digest = hex::encode(hash.finalize());
    format!("{cluster}-{}", &digest[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(node: &str, uuid: &str) -> DeviceId {
        DeviceId { node: node.into(), uuid: uuid.into() }
    }

    #[test]
    fn a_name_is_the_cluster_and_eight_hex_digits() {
        let name = slot_name("cherokee", &on("bluefin", "GPU-1"), &[("resonance", "abc")]);
        let hash = name.strip_prefix("cherokee-").unwrap();
        assert!(hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
    }

    #[test]
    fn device_and_models_make_the_name_and_their_order_does_not() {
        let (a, b) = (("one", "1"), ("two", "2"));
        let name = |d: &DeviceId, m: &[(&str, &str)]| slot_name("c", d, m);
        assert_eq!(name(&on("n", "x"), &[a, b]), name(&on("n", "x"), &[b, a]));
        assert_ne!(name(&on("n", "x"), &[a]), name(&on("n", "y"), &[a]));
        assert_ne!(name(&on("n", "x"), &[a]), name(&on("m", "x"), &[a]));
        assert_ne!(name(&on("n", "x"), &[a]), name(&on("n", "x"), &[("one", "2")]));
    }
}
