//! Hooks for the generated client: what an attempt adds to the request.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, mem};

use http::{HeaderMap, HeaderName, HeaderValue};
use progenitor_client::{ClientHooks, ClientInfo, OperationInfo};

use crate::client::call::OWN_HEADERS;
use crate::generated::Client;
use crate::response::headers::CLIENT_REQUEST_ID;

/// One attempt: headers and timeout to add to the request, and the headers of the response.
pub(crate) struct AttemptHooks {
    client_request_id: HeaderValue,
    time: Option<Duration>,
    /// The caller's headers.
    headers: HeaderMap,
    answered: Mutex<HeaderMap>,
}

impl AttemptHooks {
    /// An attempt with this id and timeout. Without a timeout, the HTTP client's applies.
    pub(crate) fn new(
        client_request_id: HeaderValue,
        time: Option<Duration>,
        headers: HeaderMap,
    ) -> Self {
        Self {
            client_request_id,
            time,
            headers,
            answered: Mutex::default(),
        }
    }

    /// The headers of the response.
    pub(crate) fn into_headers(self) -> HeaderMap {
        self.answered
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The generated client is `Clone` and `Debug`, so this type must be too; neither is used.
impl Clone for AttemptHooks {
    fn clone(&self) -> Self {
        Self::new(
            self.client_request_id.clone(),
            self.time,
            self.headers.clone(),
        )
    }
}

impl fmt::Debug for AttemptHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptHooks").finish_non_exhaustive()
    }
}

impl ClientHooks<AttemptHooks> for Client {
    /// Sets the timeout, the caller's headers and the client request id.
    async fn pre<E>(
        &self,
        request: &mut reqwest::Request,
        _info: &OperationInfo,
    ) -> Result<(), progenitor_client::Error<E>> {
        let attempting = self.inner();
        if attempting.time.is_some() {
            *request.timeout_mut() = attempting.time;
        }
        for name in attempting.headers.keys() {
            if OWN_HEADERS.contains(name) {
                continue;
            }
            request.headers_mut().remove(name);
            for value in attempting.headers.get_all(name) {
                request.headers_mut().append(name, value.clone());
            }
        }
        let name = HeaderName::from_static(CLIENT_REQUEST_ID);
        let id = attempting.client_request_id.clone();
        request.headers_mut().insert(name, id);
        Ok(())
    }

    /// Moves the headers out of the response. The generated code would clone them and return
    /// only a reference.
    async fn exec(
        &self,
        request: reqwest::Request,
        _info: &OperationInfo,
    ) -> reqwest::Result<reqwest::Response> {
        let mut response = self.client().execute(request).await?;
        let headers = mem::take(response.headers_mut());
        if let Ok(mut slot) = self.inner().answered.lock() {
            *slot = headers;
        }
        Ok(response)
    }
}
