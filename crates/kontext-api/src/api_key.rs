//! The secret that pays for images.

use std::fmt;

use http::HeaderValue;

use crate::build_error::BuildError;

/// An API key that can be sent. It never shows itself: both prints are `ApiKey(..)`.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// Takes a key as it was handed out, without `Bearer`.
    ///
    /// # Errors
    ///
    /// [`BuildError::MissingKey`] if it is empty, [`BuildError::InvalidKey`] if
    /// it has anything but visible ASCII characters: a trailing line end, for one.
    pub fn new(key: impl Into<String>) -> Result<Self, BuildError> {
        let key = key.into();
        match key.bytes().all(|byte| byte.is_ascii_graphic()) {
            _ if key.is_empty() => Err(BuildError::MissingKey),
            true => Ok(Self(key)),
            false => Err(BuildError::InvalidKey),
        }
    }

    /// The value of the authorization header, marked so that no log prints it.
    pub(crate) fn authorization(&self) -> Result<HeaderValue, BuildError> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0))
            .map_err(|_| BuildError::InvalidKey)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// `text` without the key, should a server have sent it back.
    pub(crate) fn redact(&self, text: String) -> String {
        if text.contains(&self.0) {
            text.replace(&self.0, "[api key]")
        } else {
            text
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
