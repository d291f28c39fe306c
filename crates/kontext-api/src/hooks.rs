//! What an attempt adds to what the generated client does.

use std::fmt;
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use progenitor_client::{ClientHooks, ClientInfo, Error, OperationInfo};

use crate::generated::Client;
use crate::headers::CLIENT_REQUEST_ID;

/// One attempt: what it sends beside what the document says, and the headers that
/// come back.
pub(crate) struct Attempting {
    client_request_id: HeaderValue,
    time: Option<Duration>,
    headers: Mutex<HeaderMap>,
}

impl Attempting {
    /// An attempt under this name, which may take that long; without a time, as long
    /// as the HTTP client allows.
    pub(crate) fn new(client_request_id: HeaderValue, time: Option<Duration>) -> Self {
        Self {
            client_request_id,
            time,
            headers: Mutex::default(),
        }
    }

    /// The headers of the answer.
    pub(crate) fn into_headers(self) -> HeaderMap {
        self.headers
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The generated client is `Clone` and `Debug`, and so has to be this; neither is used.
impl Clone for Attempting {
    fn clone(&self) -> Self {
        Self::new(self.client_request_id.clone(), self.time)
    }
}

impl fmt::Debug for Attempting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempting").finish_non_exhaustive()
    }
}

impl ClientHooks<Attempting> for Client {
    /// Names the call.
    async fn pre<E>(
        &self,
        request: &mut reqwest::Request,
        _info: &OperationInfo,
    ) -> Result<(), Error<E>> {
        let attempting = self.inner();
        if attempting.time.is_some() {
            *request.timeout_mut() = attempting.time;
        }
        let name = HeaderName::from_static(CLIENT_REQUEST_ID);
        let id = attempting.client_request_id.clone();
        request.headers_mut().insert(name, id);
        Ok(())
    }

    /// Takes the headers out of the answer, of which the generated code would make a
    /// copy, and hand out no more than a reference to that.
    async fn exec(
        &self,
        request: reqwest::Request,
        _info: &OperationInfo,
    ) -> reqwest::Result<reqwest::Response> {
        let mut response = self.client().execute(request).await?;
        let headers = mem::take(response.headers_mut());
        if let Ok(mut slot) = self.inner().headers.lock() {
            *slot = headers;
        }
        Ok(response)
    }
}
