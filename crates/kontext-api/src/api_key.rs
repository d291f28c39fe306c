//! The secret that pays for images.

use http::HeaderValue;

use crate::build_error::BuildError;

/// An API key that can be sent. It has no print of any sort.
pub(crate) struct ApiKey(String);

impl ApiKey {
    /// Takes a key as it was handed out, without `Bearer`.
    ///
    /// # Errors
    ///
    /// [`BuildError::MissingKey`] if it is empty, [`BuildError::InvalidKey`] if
    /// it has anything but visible ASCII characters: a trailing line end, for one.
    pub(crate) fn new(key: impl Into<String>) -> Result<Self, BuildError> {
        let key = key.into();
        match key.bytes().all(|byte| byte.is_ascii_graphic()) {
            _ if key.is_empty() => Err(BuildError::MissingKey),
            true => Ok(Self(key)),
            false => Err(BuildError::InvalidKey),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The value of the authorization header, marked so that no log prints it.
    pub(crate) fn authorization(&self) -> Result<HeaderValue, BuildError> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0))
            .map_err(|_| BuildError::InvalidKey)?;
        value.set_sensitive(true);
        Ok(value)
    }
}
