//! What is known of children without making them: kinds, the port, models, the stored password. What reads children and what
//! renders them both import it.

mod model;
mod password;

pub(crate) use model::{claim, downloaded};
pub use password::Password;
pub(crate) use password::{FRAGMENT_KEY, PASSWORD_KEY, fragment, stored_password};

use kube::core::ApiResource;

/// Port of every program's HTTP server.
pub(crate) const PORT: u16 = 8080;

/// Kinds of children, in the order in which they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `v1`.
    ConfigMap,
    /// `v1`.
    Service,
    /// `v1`.
    ServiceAccount,
    /// `rbac.authorization.k8s.io/v1`.
    Role,
    /// `rbac.authorization.k8s.io/v1`.
    RoleBinding,
    /// `networking.k8s.io/v1`.
    NetworkPolicy,
    /// `policy/v1`.
    PodDisruptionBudget,
    /// `resource.k8s.io/v1`.
    ResourceClaimTemplate,
    /// `apps/v1`.
    StatefulSet,
    /// `apps/v1`.
    Deployment,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::ConfigMap,
        Self::Service,
        Self::ServiceAccount,
        Self::Role,
        Self::RoleBinding,
        Self::NetworkPolicy,
        Self::PodDisruptionBudget,
        Self::ResourceClaimTemplate,
        Self::StatefulSet,
        Self::Deployment,
    ];

    /// How the API server calls it.
    pub fn resource(self) -> ApiResource {
        use k8s_openapi::api::{apps, core, networking, policy, rbac, resource};
        match self {
            Self::ConfigMap => ApiResource::erase::<core::v1::ConfigMap>(&()),
            Self::Service => ApiResource::erase::<core::v1::Service>(&()),
            Self::ServiceAccount => ApiResource::erase::<core::v1::ServiceAccount>(&()),
            Self::Role => ApiResource::erase::<rbac::v1::Role>(&()),
            Self::RoleBinding => ApiResource::erase::<rbac::v1::RoleBinding>(&()),
            Self::NetworkPolicy => ApiResource::erase::<networking::v1::NetworkPolicy>(&()),
            Self::PodDisruptionBudget => ApiResource::erase::<policy::v1::PodDisruptionBudget>(&()),
            Self::ResourceClaimTemplate => ApiResource::erase::<resource::v1::ResourceClaimTemplate>(&()),
            Self::StatefulSet => ApiResource::erase::<apps::v1::StatefulSet>(&()),
            Self::Deployment => ApiResource::erase::<apps::v1::Deployment>(&()),
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}
