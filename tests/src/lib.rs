//! Support for the contract tests: readable views of the contract and the code, for
//! snapshots, and a server that fails on purpose.
//!
//! The only crate that depends on the client, the mock and codegen together.

mod changes;
pub mod faults;
mod json_variants;
mod roundtrip_loss;
mod surface;
mod unenforced;
mod wire;
mod workspace;

pub use changes::{Story, what_fails};
pub use json_variants::{Spelled, spell};
pub use roundtrip_loss::{kept, lost_paths};
pub use surface::surface;
pub use unenforced::unenforced;
pub use wire::wire_table;
pub use workspace::{client_sources, frozen_inputs, inputs, path, read};
