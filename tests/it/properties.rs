//! Client and contract against each other on requests and responses that nobody
//! thought of.

mod contract;
mod requests;
mod responses;
mod schema;
