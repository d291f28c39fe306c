//! The variables that a client is made from.

use std::env::VarError;

use crate::build_error::BuildError;

/// Holds the API key.
pub(crate) const API_KEY: &str = "AIMLAPI_KEY";
/// Holds the origin of the API, if it is another one.
pub(crate) const BASE_URL: &str = "AIMLAPI_BASE_URL";

/// Looks one variable up. Tests pass their own function, because a process
/// cannot change its environment safely.
pub(crate) fn variable(
    name: &'static str,
    look_up: &dyn Fn(&str) -> Result<String, VarError>,
) -> Result<Option<String>, BuildError> {
    match look_up(name) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(BuildError::NotUnicode { variable: name }),
    }
}
