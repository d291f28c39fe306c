//! The rules that no setting lifts, for every HTTP client of this crate.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use reqwest::ClientBuilder;

/// Sends nothing by itself, follows nothing by itself, changes no body and logs none.
pub(crate) fn strict(http: ClientBuilder, connect_timeout: Duration) -> ClientBuilder {
    http.redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        // Another crate of the same build may have turned these on.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        // It logs every byte, and so the key.
        .connection_verbose(false)
        .connect_timeout(connect_timeout)
}

/// Takes `localhost` for this machine, wherever a resolver thinks that it is.
pub(crate) fn with_localhost_here(http: ClientBuilder) -> ClientBuilder {
    let addresses = [
        (Ipv4Addr::LOCALHOST, 0).into(),
        (Ipv6Addr::LOCALHOST, 0).into(),
    ];
    http.resolve_to_addrs("localhost", &addresses)
}
