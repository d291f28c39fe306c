//! The contract: which operations there are, and the schemas of what they take and
//! answer.

mod schema;
pub(crate) mod violations;

pub use schema::{Contract, Operation};
pub(crate) use schema::{PageContract, RequestContract, StrictSchema};
