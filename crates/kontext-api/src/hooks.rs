//! What the generated client may not do on its own, nor a caller's default headers.

use http::HeaderValue;
use http::header::{ACCEPT, ACCEPT_ENCODING, HOST};
use progenitor_client::{ClientHooks, Error, OperationInfo};
use url::Position;

use crate::generated::Client;

impl ClientHooks for Client {
    /// Removes the `api-version` that the generator adds to every request: the
    /// API knows no such header. Asks for JSON, whatever the generated code
    /// thinks that it streams.
    ///
    /// The headers of a request win over default headers, which a caller can set
    /// by way of `configure_http`: another host would get the key, and a coding
    /// would make the answer unreadable.
    async fn pre<E>(
        &self,
        request: &mut reqwest::Request,
        _info: &OperationInfo,
    ) -> Result<(), Error<E>> {
        let authority = &request.url()[Position::BeforeHost..Position::AfterPort];
        let host = HeaderValue::try_from(authority)
            .map_err(|_| Error::InvalidRequest("the host cannot be in a header".to_owned()))?;
        let headers = request.headers_mut();
        headers.remove("api-version");
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(HOST, host);
        Ok(())
    }
}
