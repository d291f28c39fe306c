//! Short names for what is long, or not for everybody's eyes.

use sha2::{Digest as _, Sha256};

/// The SHA-256 of something, as hexadecimal digits.
pub(crate) fn sha256(content: impl AsRef<[u8]>) -> String {
    Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
