//! The parameters of URLs whose values are secrets.

/// Their names; they are found in upper and in lower case. Those that limit
/// what a signature allows (`X-Amz-Date`, `se`, `sp`, `Expires`) are none.
const NAMES: &[&str] = &[
    "__token__",
    "access_key",
    "accessKeyId",
    "auth_key",
    "credential",
    "hdntl",
    "hm",
    "private_key",
    "secret_key",
    "txSecret",
    "verify",
    "wsSecret",
    "X-Bce-Signature",
    "X-Obs-Signature",
    "X-Tos-Credential",
    "X-Tos-Security-Token",
    "X-Tos-Signature",
    "access-token",
    "access_token",
    "accesstoken",
    "api-key",
    "api_key",
    "apikey",
    "auth",
    "auth_token",
    "authorization",
    "AWSAccessKeyId",
    "client_secret",
    "GoogleAccessId",
    "hdnea",
    "hdnts",
    "hmac",
    "id_token",
    "jwt",
    "key",
    "Key-Pair-Id",
    "OSSAccessKeyId",
    "passwd",
    "password",
    "Policy",
    "pwd",
    "q-ak",
    "q-signature",
    "refresh_token",
    "secret",
    "security-token",
    "session_token",
    "sig",
    "sign",
    "Signature",
    "subscription-key",
    "token",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "x-api-key",
    "x-cos-security-token",
    "X-Goog-Credential",
    "X-Goog-Signature",
    "x-oss-credential",
    "x-oss-security-token",
    "x-oss-signature",
];

/// The length of the longest name.
const LONGEST: usize = 20;

/// The name of the parameter that ends where `text` ends, as it is spelled in
/// the list above; nothing where no secret parameter does. A form starts with a
/// parameter, so one can be where the text starts or a quotation mark stands.
pub(super) fn name_before(text: &[u8], is_start: bool) -> Option<&'static str> {
    let shown = &text[text.len().saturating_sub(LONGEST + 1)..];
    let is_name = |byte: &u8| matches!(byte, b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z');
    let name = match shown.iter().rposition(|byte| !is_name(byte)) {
        Some(at) if matches!(shown[at], b'?' | b'&' | b';' | b'#' | b'"') => &shown[at + 1..],
        None if is_start && text.len() <= LONGEST => shown,
        _ => return None,
    };
    let mut names = NAMES.iter();
    names
        .find(|known| known.as_bytes().eq_ignore_ascii_case(name))
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_behind_every_separator_and_nowhere_else() {
        for name in NAMES {
            assert!(name.len() <= LONGEST, "{name}");
            for separator in ["?", "&", ";", "#", "\""] {
                for spelled in [name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
                    let text = format!("x{separator}{spelled}");
                    assert_eq!(name_before(text.as_bytes(), false), Some(*name));
                    let text = format!("x{separator}my{spelled}");
                    assert_ne!(name_before(text.as_bytes(), true), Some(*name));
                }
            }
            assert_eq!(name_before(name.as_bytes(), true), Some(*name));
            assert_eq!(name_before(name.as_bytes(), false), None);
        }
        assert_eq!(name_before(b"", true), None);
        assert_eq!(name_before(b"?", true), None);
    }
}
