//! What the generated client may not do on its own.

use http::HeaderValue;
use http::header::ACCEPT;
use progenitor_client::{ClientHooks, Error, OperationInfo};

use crate::generated::Client;

impl ClientHooks for Client {
    /// Removes the `api-version` that the generator adds to every request: the
    /// API knows no such header. Asks for JSON, whatever the generated code
    /// thinks that it streams.
    async fn pre<E>(
        &self,
        request: &mut reqwest::Request,
        _info: &OperationInfo,
    ) -> Result<(), Error<E>> {
        let headers = request.headers_mut();
        headers.remove("api-version");
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Ok(())
    }
}
