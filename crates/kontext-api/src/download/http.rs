//! The HTTP client that images are fetched with: one that has no key to give away.

use std::time::Duration;

use super::gate::Gate;
use super::resolve::Resolver;
use crate::base_url::BaseUrl;
use crate::builder::{Configure, USER_AGENT};
use crate::http_rules;
use crate::retry::{Budget, RetryPolicy};

/// What a caller sets before the client is made.
pub(crate) struct Settings {
    pub(crate) max_bytes: u64,
    pub(crate) stall_timeout: Duration,
    configure: Option<Configure>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_bytes: 32 * 1024 * 1024,
            stall_timeout: Duration::from_secs(20),
            configure: None,
        }
    }
}

/// What downloads of one client have in common.
pub(crate) struct Downloads {
    pub(super) http: reqwest::Client,
    pub(super) gate: Gate,
    /// Of their own, so that a host of images that is down takes no retry from the API.
    pub(super) budget: Budget,
    pub(super) max_bytes: u64,
    pub(super) stall_timeout: Duration,
}

impl Settings {
    /// Changes the HTTP client, going on from earlier changes.
    pub(crate) fn configure(
        &mut self,
        configure: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + 'static,
    ) {
        self.configure = Some(match self.configure.take() {
            Some(earlier) => Box::new(move |http| configure(earlier(http))),
            None => Box::new(configure),
        });
    }

    /// Makes the HTTP client.
    pub(crate) fn build(
        self,
        base_url: &BaseUrl,
        connect_timeout: Duration,
        retry: &RetryPolicy,
    ) -> Result<Downloads, reqwest::Error> {
        let gate = Gate::new(base_url.is_loopback());
        let configure = self.configure.unwrap_or_else(|| Box::new(|http| http));
        // What the caller may choose otherwise. A proxy resolves names itself, so with
        // one nobody judges the addresses.
        let preset = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .no_proxy()
            .http1_ignore_invalid_headers_in_responses(true);
        let http = configure(preset)
            .https_only(!base_url.is_loopback())
            .dns_resolver(Resolver(gate));
        // Redirects are followed one by one, because each is checked, and reqwest cannot
        // tell why one was refused.
        let mut http = http_rules::strict(http, connect_timeout);
        if base_url.is_loopback() {
            // Plain http is allowed to it, so it must be this machine.
            http = http_rules::with_localhost_here(http);
        }
        Ok(Downloads {
            http: http.build()?,
            gate,
            budget: Budget::new(retry),
            max_bytes: self.max_bytes,
            stall_timeout: self.stall_timeout,
        })
    }
}
