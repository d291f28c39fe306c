//! What the client knows of a call, whatever came of it.

use crate::request_id::ClientRequestId;
use crate::stop::Stop;

/// A call of the API: what it was called, and how many attempts it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub(crate) client_request_id: ClientRequestId,
    pub(crate) attempts: u32,
    /// Whether an attempt before the last one may have been charged. Only an opt-in
    /// of [`RetryPolicy`](crate::RetryPolicy) makes it so.
    pub(crate) earlier_may_be_charged: bool,
}

impl Call {
    /// The `X-Client-Request-Id` that every attempt was sent with: the caller's, or
    /// one that the client made.
    pub fn client_request_id(&self) -> &ClientRequestId {
        &self.client_request_id
    }

    /// How many attempts there were, the last one included. 0 where nothing was
    /// attempted, because the request is not valid.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

/// What one call does otherwise than the client's settings say.
///
/// ```no_run
/// # async fn f(client: kontext_api::Client, request: kontext_api::GenerateImageRequest)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// use kontext_api::{CallOptions, ClientRequestId};
///
/// let options = CallOptions::default().client_request_id(ClientRequestId::new("order-7")?);
/// let answer = client.generate_with(request, options).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing before they are given to a call"]
pub struct CallOptions {
    pub(crate) client_request_id: Option<ClientRequestId>,
    /// Ends the call where it waits to be tried again.
    pub(crate) stop: Option<Stop>,
}

impl CallOptions {
    /// The name of the call, instead of one that the client makes. Names that are
    /// known before the call can be written down before anything is sent.
    pub fn client_request_id(mut self, id: ClientRequestId) -> Self {
        self.client_request_id = Some(id);
        self
    }
}
