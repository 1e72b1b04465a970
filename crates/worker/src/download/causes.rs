//! The words of a failed request.

/// The causes of a fault without its address, whose query may be a secret.
pub(super) fn words(fault: reqwest::Error) -> String {
    let fault = fault.without_url();
    let mut words = fault.to_string();
    let mut source = std::error::Error::source(&fault);
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}
