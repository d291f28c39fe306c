//! Requests that the mock refuses by itself, with an error in the provider's
//! shape.

use axum::http::StatusCode;
use strum::IntoStaticStr;

/// What the provider documents for a missing or wrong key.
pub(crate) const UNAUTHORIZED: &str = "This request requires a valid API key. You can create a new API key on the Billing page: https://aimlapi.com/app/keys";

/// What the provider documents when the credits have run out.
const OUT_OF_CREDITS: &str = "You've run out of credits. Please top up your balance or update your payment method to continue: https://aimlapi.com/app/billing/";

/// Why the mock refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Reason {
    NotFound,
    Unauthorized,
    #[strum(serialize = "body-too-large")]
    TooLarge,
    #[strum(serialize = "body-cut")]
    Cut,
    #[strum(serialize = "content-encoding")]
    Encoding,
    MediaType,
    NotJson,
    Contract,
    Miss,
    /// A header for the mock itself is wrong.
    Session,
    Fault,
    Prefer,
    /// A fault asked for an error.
    Simulated,
    /// The server behind the recorder cannot be reached.
    #[cfg(feature = "record")]
    Upstream,
}

/// A request that is refused, with the message that says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl Reason {
    fn status(self) -> StatusCode {
        match self {
            Self::NotFound | Self::Miss => StatusCode::NOT_FOUND,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType | Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Cut
            | Self::NotJson
            | Self::Contract
            | Self::Session
            | Self::Fault
            | Self::Prefer => StatusCode::BAD_REQUEST,
            Self::Simulated => StatusCode::INTERNAL_SERVER_ERROR,
            #[cfg(feature = "record")]
            Self::Upstream => StatusCode::BAD_GATEWAY,
        }
    }

    /// The value of [`ERROR_HEADER`](crate::ERROR_HEADER).
    pub(crate) fn name(self) -> &'static str {
        self.into()
    }
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            status: reason.status(),
            message: message.into(),
        }
    }

    /// The error that is documented for a status from 400 to 599, because a
    /// fault or the request itself asks for it.
    pub(crate) fn simulated(status: StatusCode) -> Self {
        let message = match status.as_u16() {
            400 => "Body validation error",
            401 => UNAUTHORIZED,
            403 => OUT_OF_CREDITS,
            429 => "Too Many Requests",
            500 => "Internal server error",
            502 => "Bad Gateway",
            503 => "Service unavailable",
            504 => "Generation timeout",
            _ => status.canonical_reason().unwrap_or("Unknown error"),
        };
        Self {
            reason: Reason::Simulated,
            status,
            message: message.to_owned(),
        }
    }
}
