//! Where the file of a model comes from.

use cherokee_api::model::Model;

/// Whether a model's file is downloaded when its worker starts.
pub(crate) fn downloaded(model: &Model) -> bool {
    !model.uri.starts_with("oci://") && claim(&model.uri).is_none()
}

/// Claim and path of a `pvc://` address; without a path the whole claim is the model's folder.
pub(crate) fn claim(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("pvc://")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}
