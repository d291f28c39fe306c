//! The bodies that the endpoints take.

use serde::{Deserialize, de::DeserializeOwned};

use super::failure::Failure;
use crate::fault::Fault;

/// `{"faults": ["delay=100ms"]}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Faults {
    pub(super) faults: Vec<Fault>,
}

/// Reads a body, or says why it is none.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::bad_request(format!("the body: {error}")))
}
