//! Secrets and claims that a spec names: whether they are there, with the keys that are read from them.

use crate::error::{Doing, Error};
use cherokee_api::{CherokeeCluster, gateway::AuthMode};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::{Api, Client};

/// For which part something is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// API keys of the gateway: any key will do.
    ApiKeys,
    /// Address of an external Redis.
    Connection,
    /// A model or its token.
    Model,
}

/// Something that the spec names and that is not there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// For which part.
    pub part: Use,
    /// Kind and name, as "Secret `x`".
    pub object: String,
    /// The object is there and lacks this key, or any at all.
    pub key: Option<String>,
}

/// What the spec names and what is not there.
pub(super) async fn missing(
    client: &Client,
    cluster: &CherokeeCluster,
    namespace: &str,
) -> Result<Vec<Missing>, Error> {
    let spec = &cluster.spec;
    let keys = spec.gateway.auth.secret_ref.as_ref().filter(|_| spec.gateway.auth.mode == AuthMode::ApiKey);
    let keys = keys.map(|secret| (Use::ApiKeys, secret.name.as_str(), None));
    let connection = spec.muscle_memory.connection_secret_ref.as_ref();
    let connection = connection.map(|secret| (Use::Connection, secret.name.as_str(), Some("url")));
    let tokens = spec.models.iter().filter_map(|model| model.credentials_secret_ref.as_ref());
    let tokens = tokens.map(|secret| (Use::Model, secret.name.as_str(), Some("token")));
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secrets = keys.into_iter().chain(connection).chain(tokens).map(|(part, name, key)| {
        let secrets = secrets.clone();
        async move {
            let found = secrets.get_opt(name).await.doing(format!("look for Secret `{name}`"))?;
            Ok::<_, Error>(judge(part, name, key, found.as_ref()))
        }
    });
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let named = spec.models.iter().filter_map(|model| crate::render::claim_of(&model.uri));
    let claims = named.map(|(name, _)| {
        let claims = claims.clone();
        async move {
            let object = format!("PersistentVolumeClaim `{name}`");
            let found = claims.get_metadata_opt(name).await.doing(format!("look for {object}"))?;
            Ok::<_, Error>(found.is_none().then_some(Missing { part: Use::Model, object, key: None }))
        }
    });
    let (secrets, claims) = futures::try_join!(try_join_all(secrets), try_join_all(claims))?;
    let mut missing: Vec<_> = secrets.into_iter().chain(claims).flatten().collect();
    missing.sort();
    missing.dedup();
    Ok(missing)
}

/// What a Secret lacks. No key named: any one with a value will do.
fn judge(part: Use, name: &str, key: Option<&str>, found: Option<&Secret>) -> Option<Missing> {
    let object = format!("Secret `{name}`");
    let Some(secret) = found else { return Some(Missing { part, object, key: None }) };
    let held = secret.data.iter().flatten().filter(|(_, value)| !value.0.trim_ascii().is_empty());
    let fits = held.into_iter().any(|(held, _)| key.is_none_or(|key| key == held));
    let lacks = key.map_or_else(|| "any key".to_owned(), |key| format!("the key `{key}`"));
    (!fits).then_some(Missing { part, object, key: Some(lacks) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_has_to_hold_what_is_read_from_it() {
        let secret = |data| serde_json::from_value(json!({"metadata": {"name": "s"}, "data": data})).unwrap();
        let lacks = |key, data| judge(Use::Model, "s", key, Some(&secret(data)))?.key;
        assert_eq!(judge(Use::Model, "s", None, None).unwrap().key, None);
        assert_eq!(lacks(Some("token"), json!({"token": "eA=="})), None);
        assert_eq!(lacks(Some("token"), json!({"other": "eA=="})).as_deref(), Some("the key `token`"));
        assert_eq!(lacks(Some("token"), json!({"token": ""})).as_deref(), Some("the key `token`"));
        assert_eq!(lacks(None, json!({"anna": "eA=="})), None);
        assert_eq!(lacks(None, json!({})).as_deref(), Some("any key"));
    }
}
