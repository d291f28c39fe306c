//! The key of the real service.

use std::env;

/// The environment variable that holds it.
const VARIABLE: &str = "AIMLAPI_KEY";

/// The key, where the environment has one: of none and of an empty one nothing.
pub(crate) fn of_environment() -> Option<String> {
    env::var(VARIABLE).ok().filter(|key| !key.is_empty())
}
