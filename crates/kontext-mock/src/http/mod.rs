//! HTTP: sockets, bodies, headers and errors.

pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod error_response;
pub(crate) mod headers;
pub(crate) mod listener;
