//! The parameters of URLs whose values are secrets.

/// Their names; they are found in upper and in lower case. Those that limit
/// what a signature allows (`X-Amz-Date`, `se`, `sp`, `Expires`) are none.
const NAMES: &[&str] = &[
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
/// the list above; nothing where no secret parameter does.
pub(super) fn name_before(text: &[u8]) -> Option<&'static str> {
    let shown = &text[text.len().saturating_sub(LONGEST + 1)..];
    let start = 1 + shown
        .iter()
        .rposition(|byte| !matches!(byte, b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z'))?;
    let separated = matches!(shown[start - 1], b'?' | b'&' | b';' | b'#');
    let name = Some(&shown[start..]).filter(|_| separated)?;
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
            for separator in ["?", "&", ";", "#"] {
                for spelled in [name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
                    let text = format!("x{separator}{spelled}");
                    assert_eq!(name_before(text.as_bytes()), Some(*name));
                    let text = format!("x{separator}my{spelled}");
                    assert_ne!(name_before(text.as_bytes()), Some(*name));
                }
            }
            assert_eq!(name_before(name.as_bytes()), None);
        }
        assert_eq!(name_before(b""), None);
        assert_eq!(name_before(b"?"), None);
    }
}
