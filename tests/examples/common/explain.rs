//! Errors as a person wants to read them: what failed, why, whether it cost money,
//! and what to do next. Where the library names a method, they name an option.

use std::error::Error as StdError;

use kontext_api::{BuildError, DownloadError, Error, InputError, Reply};

/// The message of an error and, on a line each, its causes.
pub(crate) fn with_causes(error: &(dyn StdError + 'static)) -> String {
    joined(error.to_string(), error, "\n  because: ")
}

fn joined(mut text: String, error: &(dyn StdError + 'static), between: &str) -> String {
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("{between}{error}"));
        cause = error.source();
    }
    text
}

/// Why there is no client.
pub(crate) fn no_client(error: &BuildError) -> String {
    match error {
        BuildError::MissingKey => "there is no API key: set the variable AIMLAPI_KEY".to_owned(),
        BuildError::InvalidKey => "the key in AIMLAPI_KEY has a space, a line end or another \
                                   character that cannot be in a header"
            .to_owned(),
        BuildError::InvalidBaseUrl { problem } => {
            format!("AIMLAPI_BASE_URL {problem}: give an origin, such as https://api.aimlapi.com")
        }
        BuildError::PlainHttp { origin } => format!(
            "AIMLAPI_BASE_URL is plain http to {origin}, which is allowed to this machine only: \
             use https"
        ),
        other => with_causes(other),
    }
}

/// Why an image of the caller's cannot be sent.
pub(crate) fn unfit_input(error: &InputError) -> String {
    let shown = || match error.path() {
        Some(path) => path.display().to_string(),
        None => "the input".to_owned(),
    };
    match error {
        InputError::TooLarge { limit, .. } => format!(
            "{} has more than {limit} bytes, the limit: make it smaller, or give its URL",
            shown()
        ),
        InputError::NotAFile {
            is_directory: false,
            ..
        } => format!("{} is a pipe, a socket or a device: give a file", shown()),
        other => with_causes(other),
    }
}

/// Everything about a call that failed.
pub(crate) fn failed_call(error: &Error) -> String {
    let mut text = joined(message(error), error, "\n  because: ");
    // Where money may have been spent, the message has it already.
    if let Some(id) = error.client_request_id()
        && !text.contains(id.as_str())
    {
        text.push_str(&format!("\n  client request id: {id}"));
    }
    let charged = match error.may_have_been_charged() {
        true => "perhaps",
        false => "no",
    };
    text.push_str(&format!("\n  charged: {charged}"));
    text.push_str(&format!("\n  what next: {}", advice(error)));
    text
}

/// The message of a call that failed and its causes, for a list.
#[allow(dead_code, reason = "one of the tools has no list")]
pub(crate) fn failed_call_on_one_line(error: &Error) -> String {
    joined(message(error), error, ": ")
}

fn message(error: &Error) -> String {
    let Error::Decode(undecoded) = error else {
        return error.to_string();
    };
    let reply = undecoded.reply();
    if !reply.is_cut() {
        return error.to_string();
    }
    let (status, limit) = (reply.status().as_u16(), reply.body().len());
    let mut text =
        format!("the answer with status {status} is larger than the limit of {limit} bytes");
    if let Some(id) = error.client_request_id() {
        text.push_str(&format!(" (client request id {id})"));
    }
    text
}

/// The body of a success that could not be used, whole or in part: an image may be
/// in it that was paid for.
pub(crate) fn paid_body(error: &Error) -> Option<&[u8]> {
    match error {
        Error::Decode(_) | Error::NoImages(_) | Error::OutcomeUnknown { .. } => {
            error.body().filter(|body| !body.is_empty())
        }
        _ => None,
    }
}

/// Whether there was more of that body.
pub(crate) fn is_cut(error: &Error) -> bool {
    error.reply().is_some_and(Reply::is_cut)
}

fn advice(error: &Error) -> String {
    const ASK: &str = "ask the provider's support with the client request id";
    let is_redirect = error.status().is_some_and(|it| it.is_redirection());
    let text = match error {
        Error::InvalidRequest(_) | Error::BadRequest(_) => "change the request as the message says",
        Error::Authentication(_) => "set AIMLAPI_KEY to a valid key",
        Error::OutOfCredits(_) => "top up the account, then run it again",
        Error::Forbidden(_) => "use a key that may do this",
        Error::NotFound(_) => "check AIMLAPI_BASE_URL",
        Error::SpendLimit { .. } => "raise the spend limit",
        Error::NotSent { .. } => "check the network and AIMLAPI_BASE_URL, then run it again",
        Error::Decode(_) if is_cut(error) => {
            return format!(
                "{ASK}; give the next call a larger --max-answer-mib, and mind that it is paid \
                 for as well"
            );
        }
        Error::Decode(_) | Error::NoImages(_) => {
            return format!("look into the answer's body; {ASK}");
        }
        Error::RateLimited(_) if !error.is_retryable() => {
            "the quota is used up: wait until it renews, or top up the account"
        }
        Error::RateLimited(_) => {
            return match error.retry_after() {
                Some(delay) => format!("run it again in {} s", delay.as_secs_f64().ceil()),
                None => "wait a while, then run it again".to_owned(),
            };
        }
        _ if is_redirect && error.may_have_been_charged() => {
            return format!(
                "check AIMLAPI_BASE_URL: the API does not redirect; before another call, {ASK}"
            );
        }
        _ if is_redirect => "check AIMLAPI_BASE_URL: the API does not redirect",
        _ if error.may_have_been_charged() => {
            return format!("to run it again may pay twice: {ASK}");
        }
        _ => "run it again later",
    };
    text.to_owned()
}

/// Why an image is not on the disk.
pub(crate) fn failed_download(error: &DownloadError) -> String {
    match error {
        DownloadError::TooLarge { limit, .. } => {
            format!("the image is larger than {limit} bytes: raise that with --max-image-mib")
        }
        DownloadError::Exists { path, .. } => format!("{} exists already", path.display()),
        DownloadError::Refused { url, .. } => {
            let mut text = with_causes(error);
            if is_here(url) {
                text.push_str("; if that is a mock of yours, set AIMLAPI_BASE_URL to its origin");
            }
            text
        }
        other => with_causes(other),
    }
}

/// Whether another download of the same image may end otherwise.
pub(crate) fn can_be_mended(error: &DownloadError) -> bool {
    match error {
        DownloadError::InvalidBase64(_) => false,
        DownloadError::Status(reply) => !matches!(reply.status().as_u16(), 401 | 403 | 404 | 410),
        _ => true,
    }
}

/// Whether a URL is one of this machine.
fn is_here(url: &str) -> bool {
    let host = url.split_once("://").map_or("", |(_, rest)| rest);
    let here = ["127.", "localhost", "[::1]"];
    here.iter().any(|here| host.starts_with(here))
}

/// That there are fewer images than were asked for, if there are.
pub(crate) fn too_few(asked: u64, came: usize) -> Option<String> {
    let came = u64::try_from(came).unwrap_or(u64::MAX);
    (came < asked).then(|| format!("{asked} images were asked for, and {came} came"))
}
