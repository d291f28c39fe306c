//! The first program of the README, as it stands there; `it/readme.rs` runs it.

include!(concat!(env!("OUT_DIR"), "/first_call.rs"));
