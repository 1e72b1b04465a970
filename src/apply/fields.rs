//! Whose a field of a child is: the table by which edits by others are put back or left.
//!
//! What we render is always ours. For what we do not render, the table names what decides reachability, identity or
//! privilege: ours too, and taken out again. Any other field is shared where somebody set it by hand (left, and shown as
//! advice), else a default of the API server.

use crate::render::Kind;

/// Paths of fields that nobody but us adds. `*` stands for one key or entry, `**` for all that follows, and `x/*` for keys
/// with that prefix.
fn only_ours(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Service => &[
            "spec selector *",
            "spec ports *",
            "spec externalName",
            "spec externalIPs",
            "spec loadBalancerIP",
            "spec loadBalancerClass",
            "spec loadBalancerSourceRanges",
            "spec publishNotReadyAddresses",
        ],
        Kind::ConfigMap => &["data *", "binaryData", "binaryData *"],
        Kind::Role => &["rules **", "aggregationRule **"],
        Kind::RoleBinding => &["subjects *", "subjects * *", "roleRef *"],
        Kind::ServiceAccount => &["automountServiceAccountToken"],
        Kind::NetworkPolicy => &["spec **"],
        Kind::PodDisruptionBudget => &["spec maxUnavailable", "spec selector **"],
        // Its spec cannot be changed.
        Kind::ResourceClaimTemplate => &[],
        Kind::StatefulSet | Kind::Deployment => WORKLOAD,
    }
}

/// A Deployment or StatefulSet.
const WORKLOAD: &[&str] = &[
    "spec paused",
    "spec template metadata labels cherokee.ai/*",
    "spec template metadata labels app.kubernetes.io/*",
    "spec template spec containers *",
    "spec template spec containers * command",
    "spec template spec containers * args",
    "spec template spec containers * lifecycle",
    "spec template spec containers * lifecycle **",
    "spec template spec containers * securityContext **",
    "spec template spec containers * volumeMounts *",
    "spec template spec containers * volumeDevices",
    "spec template spec containers * ports * hostPort",
    "spec template spec containers * ports * hostIP",
    "spec template spec initContainers",
    "spec template spec initContainers *",
    "spec template spec initContainers * command",
    "spec template spec initContainers * securityContext **",
    "spec template spec initContainers * volumeMounts *",
    "spec template spec securityContext **",
    "spec template spec volumes *",
    "spec template spec hostNetwork",
    "spec template spec hostPID",
    "spec template spec hostIPC",
    "spec template spec shareProcessNamespace",
    "spec template spec hostAliases",
    "spec template spec nodeName",
];

/// Paths of fields that controllers and tools of Kubernetes add in the course of their work: nobody is told.
fn defaulted(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::ServiceAccount => &["secrets", "imagePullSecrets"],
        Kind::StatefulSet | Kind::Deployment => &[
            "spec template metadata annotations",
            "spec template metadata annotations kubectl.kubernetes.io/*",
            "spec template metadata creationTimestamp",
        ],
        _ => &[],
    }
}

/// Whether the field at `path` is added by controllers and tools of Kubernetes.
pub(super) fn is_defaulted(kind: Kind, path: &[String]) -> bool {
    defaulted(kind).iter().any(|pattern| matches(pattern, path))
}

/// Whether nobody but us adds the field at `path`.
pub(super) fn is_only_ours(kind: Kind, path: &[String]) -> bool {
    only_ours(kind).iter().any(|pattern| matches(pattern, path))
}

fn matches(pattern: &str, path: &[String]) -> bool {
    let mut keys = path.iter();
    for part in pattern.split(' ') {
        if part == "**" {
            return keys.next().is_some();
        }
        let Some(key) = keys.next() else { return false };
        let fits = match part.strip_suffix('*') {
            Some(prefix) => key.starts_with(prefix),
            None => part == key,
        };
        if !fits {
            return false;
        }
    }
    keys.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(kind: Kind, path: &str) -> bool {
        is_only_ours(kind, &path.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_decides_reachability_identity_or_privilege_is_ours() {
        assert!(
            ours(Kind::Service, "spec selector no") && ours(Kind::NetworkPolicy, "spec podSelector matchLabels no")
        );
        assert!(ours(Kind::Deployment, "spec template spec containers 0 securityContext capabilities add"));
        assert!(ours(Kind::Deployment, "spec template metadata labels cherokee.ai/dream"));
        assert!(!ours(Kind::Deployment, "spec template metadata labels team"));
        assert!(!ours(Kind::Deployment, "spec template spec nodeSelector no"));
        assert!(!ours(Kind::Deployment, "spec template spec containers 0 env 1"));
        assert!(!ours(Kind::Service, "spec sessionAffinity") && !ours(Kind::Service, "spec"));
    }
}
