//! The README's first program, verbatim; `it/readme.rs` runs it.

include!(concat!(env!("OUT_DIR"), "/first_call.rs"));
