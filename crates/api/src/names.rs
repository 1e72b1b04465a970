//! Every label, annotation, condition, reason and child name that leaves the operator.

/// Field manager of all that the operator applies.
pub const FIELD_MANAGER: &str = "cherokee-operator";
/// Value of `app.kubernetes.io/managed-by` on all children.
pub const MANAGED_BY: &str = "cherokee-operator";

/// Labels.
pub mod label {
    /// Name of the CherokeeCluster that owns the object.
    pub const CLUSTER: &str = "cherokee.ai/cluster";
    /// Name of the slot that the object serves.
    pub const SLOT: &str = "cherokee.ai/slot";
    /// On a worker pod with a dream container: it may reach the muscle memory.
    pub const DREAM: &str = "cherokee.ai/dream";
    /// On a node: its GPUs are simulated. Set by test clusters; reported as condition `Simulated`.
    pub const SIMULATED_GPUS: &str = "cherokee.ai/simulated-gpus";
    /// Which part of a cluster the object is: `worker`, `gateway`, `autonomic`, `memory`.
    pub const COMPONENT: &str = "app.kubernetes.io/component";
    /// Name of the product.
    pub const NAME: &str = "app.kubernetes.io/name";
    /// Same value as [`CLUSTER`].
    pub const INSTANCE: &str = "app.kubernetes.io/instance";
    /// Always [`super::MANAGED_BY`].
    pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
}

/// Annotations.
pub mod annotation {
    /// On a CherokeeCluster, followed by a role's name: `<from>/<until>` in RFC 3339, when the role is to be awake beside
    /// its windows.
    pub const WAKE_PREFIX: &str = "wake.cherokee.ai/";
    /// On a CherokeeCluster with `spec.strategy: Auto`: any new value asks for a new decision.
    pub const DECIDE_AUTO: &str = "cherokee.ai/decide-auto";
    /// On a slot's Deployment: the device that it uses, as `<node>/<uuid>`. Written for the version before, which reads holds
    /// from here; never read.
    pub const DEVICE: &str = "cherokee.ai/device";
    /// On a pod template: hash of what it reads at start (config, password), so that a change restarts it.
    pub const CONFIG_HASH: &str = "cherokee.ai/config-hash";
    /// On a worker's pod, with the value `false`: the cluster autoscaler leaves its node alone.
    pub const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";
    /// On a worker's pod, with the value `true`: Karpenter leaves its node alone.
    pub const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";
    /// On a child: hash of what was rendered, so that a field that is no longer rendered is noticed.
    pub const RENDERED: &str = "cherokee.ai/rendered";
    /// On a child: hash of the object as an admission webhook left it in the answer to our own write, which is not fought.
    pub const LEFT: &str = "cherokee.ai/left";
    /// On a slot's Deployment: when it was last turned on or off, RFC 3339. Budgets for starting and ending run from here.
    pub const SINCE: &str = "cherokee.ai/since";
}

/// Types of conditions.
pub mod condition {
    /// All that should run runs. Carries the worst reason of the others.
    pub const READY: &str = "Ready";
    /// Someone answers the default route now.
    pub const AVAILABLE: &str = "Available";
    /// The spec holds together and this version can serve it.
    pub const ACCEPTED: &str = "Accepted";
    /// Every role that wants a device has one.
    pub const PLACED: &str = "Placed";
    /// Every slot that should run is ready.
    pub const WORKERS_READY: &str = "WorkersReady";
    /// The muscle memory is ready, or disabled.
    pub const CACHE_READY: &str = "CacheReady";
    /// The autonomic daemon is ready.
    pub const DAEMONS_READY: &str = "DaemonsReady";
    /// At least one gateway is ready.
    pub const GATEWAY_READY: &str = "GatewayReady";
    /// Only while true: on the way to Ready.
    pub const RECONCILING: &str = "Reconciling";
    /// Only while true: it will not become Ready without a change.
    pub const STALLED: &str = "Stalled";
    /// Only while true: some device is simulated.
    pub const SIMULATED: &str = "Simulated";
}

/// Reasons of conditions and events.
pub mod reason {
    /// All is as it should be.
    pub const READY: &str = "Ready";
    /// A role of the default route answers.
    pub const SERVING: &str = "Serving";
    /// The spec is accepted.
    pub const VALID: &str = "Valid";
    /// Every role has its device.
    pub const PLACED: &str = "Placed";
    /// `spec.suspend` is true.
    pub const SUSPENDED: &str = "Suspended";
    /// A window edge inside its budget.
    pub const TRANSITIONING: &str = "Transitioning";
    /// Parts are starting.
    pub const STARTING: &str = "Starting";
    /// By the calendar nobody answers the default route now.
    pub const ASLEEP: &str = "Asleep";
    /// Someone should answer the default route and nobody does.
    pub const NO_WORKER: &str = "NoWorker";
    /// The spec contradicts itself.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// A later version serves this.
    pub const NOT_YET_SUPPORTED: &str = "NotYetSupported";
    /// The roles do not have the form that `spec.strategy` names.
    pub const STRATEGY_MISMATCH: &str = "StrategyMismatch";
    /// The stored object could not be read.
    pub const UNREADABLE: &str = "Unreadable";
    /// A referenced Secret or claim does not exist.
    pub const REFERENCE_NOT_FOUND: &str = "ReferenceNotFound";
    /// A referenced Secret lacks the key that is read from it.
    pub const SECRET_KEY_MISSING: &str = "SecretKeyMissing";
    /// The daemon runs and cannot work with an external Redis.
    pub const CACHE_UNREACHABLE: &str = "CacheUnreachable";
    /// Cache disabled by the spec.
    pub const DISABLED: &str = "Disabled";
    /// A pod keeps failing.
    pub const POD_FAILING: &str = "PodFailing";
    /// An image can't be pulled.
    pub const IMAGE_PULL_FAILED: &str = "ImagePullFailed";
    /// A container was ended for using more memory than its limit.
    pub const OUT_OF_MEMORY: &str = "OutOfMemory";
    /// No node takes the pod.
    pub const UNSCHEDULABLE: &str = "Unschedulable";
    /// The API server refuses a child.
    pub const REFUSED: &str = "RefusedByApiServer";
    /// A field of a child that Kubernetes can't change would have to change.
    pub const IMMUTABLE_FIELD: &str = "ImmutableField";
    /// A child is being deleted: it is made anew when it is gone.
    pub const DELETING: &str = "Deleting";
    /// Advice: an object has our labels, no owner, and no place in the cluster.
    pub const UNOWNED: &str = "Unowned";
    /// A slot was turned on long ago and is still not ready.
    pub const START_TIMED_OUT: &str = "StartTimedOut";
    /// Advice: something that was asked for is ignored.
    pub const IGNORED: &str = "Ignored";
    /// Advice: somebody set fields of a child that the operator leaves alone.
    pub const FOREIGN_FIELDS: &str = "ForeignFields";
    /// Advice: how many more pieces of advice there are.
    pub const MORE_ADVICE: &str = "MoreAdvice";
    /// Events: a child was created.
    pub const CREATED: &str = "Created";
    /// Events: a worker downloads its model.
    pub const DOWNLOADING: &str = "Downloading";
    /// Events: a child was deleted.
    pub const DELETED: &str = "Deleted";
    /// The worker found no GPU.
    pub const NO_GPU: &str = "NoGpu";
    /// The API of `GpuHold` is missing, so no GPU can be taken.
    pub const HOLDS_MISSING: &str = "HoldsMissing";
    /// Some node's GPUs are simulated.
    pub const SIMULATED_GPUS: &str = "SimulatedGpus";
}

/// Names of children.
pub mod child {
    /// ConfigMap with the layout document.
    pub fn layout(cluster: &str) -> String {
        format!("{cluster}-layout")
    }
    /// ConfigMap with the autonomic daemon's hints.
    pub fn hints(cluster: &str) -> String {
        format!("{cluster}-hints")
    }
    /// Redis: StatefulSet, Service and ConfigMap.
    pub fn memory(cluster: &str) -> String {
        format!("{cluster}-memory")
    }
    /// Secret with the generated Redis password.
    pub fn memory_password(cluster: &str) -> String {
        format!("{cluster}-memory-password")
    }
    /// Gateway: Deployment, Service, PodDisruptionBudget, ServiceAccount.
    pub fn gateway(cluster: &str) -> String {
        format!("{cluster}-gateway")
    }
    /// Autonomic daemon: Deployment, ServiceAccount.
    pub fn autonomic(cluster: &str) -> String {
        format!("{cluster}-autonomic")
    }
    /// ServiceAccount of workers; it has no rights and mounts no token.
    pub fn worker(cluster: &str) -> String {
        format!("{cluster}-worker")
    }
}
