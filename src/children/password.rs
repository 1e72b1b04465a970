//! The generated password of the managed Redis, and how its Secret is read.

use k8s_openapi::api::core::v1::Secret;

/// Key of the password in its Secret, and the name of its file.
pub(crate) const PASSWORD_KEY: &str = "password";
/// Key of the same password as a line of Redis' own config, which includes it: no shell has to put it together.
pub(crate) const FRAGMENT_KEY: &str = "password.conf";

/// The password of the managed Redis: generated once, then found.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password {
    /// The password.
    pub secret: String,
    /// It is stored; if not, `apply` creates the Secret.
    pub stored: bool,
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Password").field("stored", &self.stored).finish_non_exhaustive()
    }
}

/// The password as a line of Redis' own config.
pub(crate) fn fragment(password: &str) -> String {
    format!("requirepass {password}\n")
}

/// The password in a stored Secret; none if its two keys are not those of [`secret`].
pub(crate) fn stored_password(secret: &Secret) -> Option<String> {
    let data = secret.data.as_ref()?;
    let password = String::from_utf8(data.get(PASSWORD_KEY)?.0.clone()).ok()?;
    // Redis reads its own half: with another password there everybody would be refused.
    (data.get(FRAGMENT_KEY)?.0 == fragment(&password).into_bytes()).then_some(password)
}
