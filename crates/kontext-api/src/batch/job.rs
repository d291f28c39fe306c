//! What goes into a batch, and what comes out.

use crate::answer::GeneratedImages;
use crate::batch::BatchError;
use crate::request_id::ClientRequestId;
use crate::types::GenerateImageRequest;

/// One request of a batch.
#[derive(Clone, Debug)]
pub struct BatchJob {
    pub(crate) request: GenerateImageRequest,
    pub(crate) client_request_id: Option<ClientRequestId>,
}

impl BatchJob {
    /// A job that sends this request.
    pub fn new(request: impl Into<GenerateImageRequest>) -> Self {
        Self {
            request: request.into(),
            client_request_id: None,
        }
    }

    /// The name of the call, instead of one that the client makes.
    pub fn client_request_id(mut self, id: ClientRequestId) -> Self {
        self.client_request_id = Some(id);
        self
    }
}

impl From<GenerateImageRequest> for BatchJob {
    fn from(request: GenerateImageRequest) -> Self {
        Self::new(request)
    }
}

/// A job that is about to be sent, as
/// [`BatchBuilder::before_each`](crate::BatchBuilder::before_each) sees it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Starting<'a> {
    /// Its place among the requests that were given, from 0.
    pub index: usize,
    /// The `X-Client-Request-Id` that it will be sent with.
    pub client_request_id: &'a ClientRequestId,
    /// What will be sent.
    pub request: &'a GenerateImageRequest,
    /// What it is estimated to cost, in credits.
    pub estimate: u64,
}

/// What came of a job.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchResult {
    /// Its place among the requests that were given, from 0.
    pub index: usize,
    /// The `X-Client-Request-Id` that it was sent with, or would have been. Nothing where
    /// it had none and was not looked at any further: because of the spend limit, or
    /// because the batch was stopped.
    pub client_request_id: Option<ClientRequestId>,
    /// The images, or why there are none.
    pub result: Result<GeneratedImages, BatchError>,
}
