//! Status as lines of text.

use crate::kubectl::{
    caret::one_line,
    printer::{Table, columns},
    stored::Stored,
};
use cherokee_api::{
    CherokeeClusterStatus,
    status::{RoleStatus, SlotStatus},
};
use cherokee_operator::time::from_k8s;
use cherokee_plan::Zone;
use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde::Serialize;

/// All clusters that are shown.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct Sheet(Vec<Entry>);

/// One cluster.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry {
    Read(Box<Shown>),
    /// One that this version cannot read, and why.
    Unreadable {
        namespace: String,
        name: String,
        unreadable: String,
    },
}

/// One that was read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    namespace: String,
    name: String,
    generation: i64,
    time_zone: String,
    status: Option<CherokeeClusterStatus>,
}

impl Sheet {
    pub(crate) fn new(stored: &[Stored]) -> Self {
        let entry = |stored: &Stored| match stored {
            Ok(cluster) => Entry::Read(Box::new(Shown {
                namespace: cluster.namespace().unwrap_or_default(),
                name: cluster.name_any(),
                generation: cluster.metadata.generation.unwrap_or_default(),
                time_zone: cluster.spec.time_zone.clone(),
                status: cluster.status.clone(),
            })),
            Err(other) => Entry::Unreadable {
                namespace: other.namespace.clone(),
                name: other.name.clone(),
                unreadable: other.message.clone(),
            },
        };
        Self(stored.iter().map(entry).collect())
    }
}

impl Table for Sheet {
    fn table(&self) -> String {
        let text = |entry: &Entry| match entry {
            Entry::Read(shown) => shown.text(),
            Entry::Unreadable { namespace, name, unreadable } => {
                format!("{namespace}/{name}: {}\n", one_line(unreadable))
            }
        };
        self.0.iter().map(text).collect::<Vec<_>>().join("\n")
    }
}

impl Shown {
    fn text(&self) -> String {
        let Some(status) = &self.status else {
            return format!("{}/{}: the operator has not looked at it yet\n", self.namespace, self.name);
        };
        let mut text = format!("{}/{}: {}", self.namespace, self.name, one_line(&summary(status)));
        if status.observed_generation < self.generation {
            text += "\nThe spec was changed since; what follows is of the one before.";
        }
        text += "\n\n";
        let rows =
            status.conditions.iter().map(|c| [c.type_.clone(), c.status.clone(), c.reason.clone(), c.message.clone()]);
        text += &columns(["CONDITION", "STATUS", "REASON", "MESSAGE"], rows);
        text.push('\n');
        text += &columns(["ROLE", "STATE", "UNTIL", "SLOTS", "WHY"], status.roles.iter().map(|role| self.role(role)));
        text.push('\n');
        text += &columns(["SLOT", "NODE", "DEVICE", "STATE", "MEMORY", "MODELS", "WHY"], status.slots.iter().map(slot));
        if let Some(memory) = &status.muscle_memory {
            text += &format!("\nmuscle memory: entries {}, hits {}%\n", memory.entries, memory.hit_percent);
        }
        if let Some(next) = &status.next {
            text += &format!("\nnext: {}\n", one_line(next));
        }
        for advice in &status.advice {
            text += &format!("advice {}: {}\n", one_line(&advice.code), one_line(&advice.message));
        }
        text
    }

    fn role(&self, role: &RoleStatus) -> [String; 5] {
        let why = [role.code.as_deref(), role.message.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(": ");
        let until = role.until.as_ref().map(|until| self.clock(until)).unwrap_or_default();
        [role.name.clone(), format!("{:?}", role.state), until, role.slots.join(","), why]
    }

    /// Day and time in the zone of the windows.
    fn clock(&self, time: &Time) -> String {
        let moment: DateTime<Utc> = from_k8s(time);
        let zone = Zone::named(&self.time_zone).unwrap_or_else(|_| Zone::utc());
        zone.local(moment).format("%a %H:%M").to_string()
    }
}

fn summary(status: &CherokeeClusterStatus) -> String {
    let mut parts = Vec::new();
    parts.extend(status.strategy.map(|strategy| format!("strategy {}", strategy.word())));
    parts.extend(status.roles_summary.as_ref().map(|roles| format!("{roles} roles")));
    parts.extend(status.gpus_summary.as_ref().map(|gpus| format!("{gpus} GPUs")));
    parts.extend(status.url.clone());
    parts.join(", ")
}

fn slot(slot: &SlotStatus) -> [String; 7] {
    [
        slot.name.clone(),
        slot.node.clone(),
        slot.device.clone(),
        format!("{:?}", slot.state),
        slot.memory.total.clone(),
        slot.models.join(","),
        slot.message.clone().unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubectl::stored::Unreadable;
    use cherokee_api::CherokeeCluster;
    use serde_json::json;

    fn cluster(status: serde_json::Value) -> CherokeeCluster {
        serde_json::from_value(json!({
            "metadata": {"name": "c", "namespace": "n", "generation": 2},
            "spec": {"timeZone": "America/Chicago", "models": [{"name": "m", "uri": "pvc://a/b", "size": "1Gi"}]},
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn who_waits_says_why_and_times_are_those_of_the_windows() {
        let text = Sheet::new(&[Ok(cluster(json!({
            "observedGeneration": 2, "strategy": "Layer", "rolesSummary": "1/2",
            "roles": [{"name": "conscious", "state": "Awake", "until": "2026-11-25T04:00:00Z", "slots": ["c-1"]},
                {"name": "backup", "state": "Waiting", "code": "DeviceTaken", "message": "device 1 of redfin is held"}],
            "slots": [{"name": "c-1", "node": "bluefin", "device": "GPU-1", "models": ["m"], "state": "Serving",
                "memory": {"weights": "1Mi", "kvCache": "2Mi", "reserve": "3Mi", "total": "6Mi"}}],
        })))])
        .table();
        assert!(text.starts_with("n/c: strategy Layer, 1/2 roles\n"), "{text}");
        assert!(text.contains("conscious   Awake     Tue 22:00   c-1     -\n"), "{text}");
        assert!(text.contains("DeviceTaken: device 1 of redfin is held\n"), "{text}");
        assert!(text.contains("c-1    bluefin   GPU-1    Serving   6Mi      m        -\n"), "{text}");
    }

    #[test]
    fn a_status_of_an_older_spec_says_so_and_none_at_all_too() {
        let old = Sheet::new(&[Ok(cluster(json!({"observedGeneration": 1})))]).table();
        assert!(old.contains("The spec was changed since"), "{old}");
        let none = Sheet::new(&[Ok(cluster(json!(null)))]).table();
        assert_eq!(none, "n/c: the operator has not looked at it yet\n");
    }

    #[test]
    fn one_that_cannot_be_read_takes_a_line_and_hides_no_other() {
        let message = "the stored object can't be read: spec.roles[0].layer: unknown variant".to_owned();
        let unreadable = Unreadable { namespace: "n".into(), name: "later".into(), message: message.clone() };
        let sheet = Sheet::new(&[Err(unreadable), Ok(cluster(json!(null)))]);
        assert_eq!(sheet.table(), format!("n/later: {message}\n\nn/c: the operator has not looked at it yet\n"));
        let json = serde_json::to_value(&sheet).unwrap();
        assert_eq!((&json[0]["unreadable"], &json[1]["name"]), (&json!(message), &json!("c")));
    }
}
