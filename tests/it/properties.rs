//! Client and contract against each other, on generated requests and responses.

mod contract;
mod requests;
mod responses;
mod schema;
