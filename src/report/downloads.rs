//! How far downloads are, in words: in a slot's message, and as events. Told in steps, so that a download of hours is some
//! writes and not thousands.

use cherokee_api::{CherokeeClusterStatus, names::reason};
use cherokee_wire::worker::Download;
use kube::runtime::events::{Event, EventType};
use std::collections::BTreeMap;

/// What a slot's message says: in tenths of the file or, where the server does not tell its size, in doublings.
pub(crate) fn words(download: &Download) -> String {
    let Download { model, bytes, of } = download;
    match of {
        Some(of) => format!("downloading model `{model}`: {}% of {} MiB", tenths(*bytes, *of), of >> 20),
        None => format!("downloading model `{model}`: more than {} MiB", doubled(*bytes)),
    }
}

/// One event for each step that status has not told yet.
pub(super) fn events(
    old: Option<&CherokeeClusterStatus>,
    downloads: &BTreeMap<String, Option<Download>>,
) -> Vec<Event> {
    let told = |slot: &str| old?.slots.iter().find(|s| s.name == slot)?.message.as_deref();
    let known = downloads.iter().filter_map(|(slot, download)| Some((slot, download.as_ref()?)));
    known
        .filter(|(slot, download)| told(slot) != Some(words(download).as_str()))
        .map(|(slot, download)| Event {
            type_: EventType::Normal,
            reason: reason::DOWNLOADING.to_owned(),
            note: Some(format!("slot `{slot}`: {}", words(download))),
            // Events of one reason and action are counted, not shown.
            action: match download.of {
                Some(of) => format!("Download{}Percent", tenths(download.bytes, of)),
                None => format!("Download{}MiB", doubled(download.bytes)),
            },
            secondary: None,
        })
        .collect()
}

fn tenths(bytes: u64, of: u64) -> u64 {
    bytes.saturating_mul(10) / of.max(1) * 10
}

fn doubled(bytes: u64) -> u64 {
    (bytes >> 20).checked_ilog2().map_or(0, |power| 1 << power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cherokee_api::status::{SlotMemory, SlotState, SlotStatus};

    fn at(mib: u64, of: Option<u64>) -> BTreeMap<String, Option<Download>> {
        let download = Download { model: "m".into(), bytes: mib << 20, of: of.map(|of| of << 20) };
        BTreeMap::from([("c-s".into(), Some(download)), ("c-t".into(), None)])
    }

    fn told(message: &str) -> CherokeeClusterStatus {
        let slot = SlotStatus {
            name: "c-s".into(),
            node: String::new(),
            device: String::new(),
            models: Vec::new(),
            state: SlotState::Starting,
            memory: SlotMemory::default(),
            message: Some(message.into()),
        };
        CherokeeClusterStatus { slots: vec![slot], ..CherokeeClusterStatus::default() }
    }

    #[test]
    fn each_tenth_of_a_download_is_one_event() {
        let first = events(None, &at(700, Some(2000)));
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].note.as_deref(), Some("slot `c-s`: downloading model `m`: 30% of 2000 MiB"));
        let status = told("downloading model `m`: 30% of 2000 MiB");
        assert!(events(Some(&status), &at(799, Some(2000))).is_empty());
        assert_eq!(events(Some(&status), &at(800, Some(2000)))[0].action, "Download40Percent");
    }

    #[test]
    fn a_download_of_unknown_size_is_told_in_doublings() {
        let note = |mib| events(None, &at(mib, None))[0].note.clone().unwrap();
        assert_eq!(note(0), "slot `c-s`: downloading model `m`: more than 0 MiB");
        assert_eq!(note(700), "slot `c-s`: downloading model `m`: more than 512 MiB");
    }
}
