//! The contract: its operations, and the schemas of their requests and responses.

mod schema;
pub(crate) mod violations;

pub use schema::{Contract, Operation};
pub(crate) use schema::{PageContract, RequestContract, StrictSchema};
