//! What a person writes for an image.

/// Whether it is a URL that a request can have; everything else is a path. A URL of
/// another sort is an error: there is no file of such a name.
pub(crate) fn is_url(text: &str) -> Result<bool, String> {
    let Some((scheme, rest)) = text.split_once(':') else {
        return Ok(false);
    };
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    if is("http") || is("https") || is("data") {
        return Ok(true);
    }
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    match is_scheme && rest.starts_with("//") {
        // The rest of it may hold a password.
        true => Err(format!(
            "a URL of an image has to begin with http://, https:// or data:, not with {scheme}://"
        )),
        false => Ok(false),
    }
}
