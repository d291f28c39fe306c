//! Sends a request, and leaves nothing unsaid about its outcome.

use std::{
    process,
    time::{SystemTime, UNIX_EPOCH},
};

use kontext_api::{
    CallOptions, Client, ClientRequestId, Error, GeneratedImages, ImageToImageRequest,
    InvalidClientRequestId,
};

use crate::{
    Failure, explain, interrupt::Interrupts, output::Output, say, spinner, started::Started,
};

/// Sends the request, and shows that something happens meanwhile. What was noted before
/// is to be removed when the answer is on the disk.
pub(crate) async fn send(
    client: &Client,
    request: ImageToImageRequest,
    output: &Output,
    force_new: bool,
    interrupts: &mut Interrupts,
) -> Result<(GeneratedImages, Started), Failure> {
    // Known before anything is sent, so that even a call that is killed has a name.
    let id = client_request_id().map_err(|error| Failure::Usage(error.to_string()))?;
    let started =
        Started::write(output, &id, &request.prompt, force_new).map_err(Failure::Usage)?;
    let options = CallOptions::default().client_request_id(id.clone());
    let spinner = spinner("generating");
    let result = tokio::select! {
        result = client.generate_with(request, options) => result,
        _ = interrupts.recv() => {
            spinner.finish_and_clear();
            return Err(Failure::Call(format!(
                "interrupted; the request may have been carried out and charged\n  \
                 client request id: {id}\n  charged: perhaps\n  what next: to run it again may \
                 pay twice: ask the provider's support with the client request id{}",
                started.keep()
            )));
        }
    };
    spinner.finish_and_clear();
    let error = match result {
        Ok(answer) => return Ok((answer, started)),
        Err(error) => error,
    };
    let mut text = explain::failed_call(&error);
    if let Some(body) = explain::paid_body(&error) {
        text.push_str(&keep(&error, body, output));
    }
    match error.may_have_been_charged() {
        true => text.push_str(&started.keep()),
        false => finished(started),
    }
    Err(Failure::Call(text))
}

/// The outcome is known.
pub(crate) fn finished(started: Started) {
    if let Err(error) = started.remove() {
        say(&format!("warning: {error}"));
    }
}

/// Keeps the body of an answer that could not be used, and says where.
fn keep(error: &Error, body: &[u8], output: &Output) -> String {
    let (written, what) = match explain::is_cut(error) {
        true => (
            output.write_part(body),
            "the beginning of the answer's body",
        ),
        false => (output.write_answer(body), "the answer's body"),
    };
    match written {
        Ok(file) => format!("\n  {what} is in {}", file.display()),
        Err(error) => format!(
            "\n  {what} cannot be written ({error}), so here it is:\n{}",
            String::from_utf8_lossy(body).escape_debug()
        ),
    }
}

/// What a call cost, and its name.
pub(crate) fn receipt(answer: &GeneratedImages) -> String {
    let mut text = match (answer.credits_used(), answer.usd_spent()) {
        (Some(credits), Some(dollars)) => {
            format!("charged: {credits} credits, {dollars} US dollars")
        }
        (Some(credits), None) => format!("charged: {credits} credits"),
        (None, Some(dollars)) => format!("charged: {dollars} US dollars"),
        (None, None) => "charged: the answer does not say how much".to_owned(),
    };
    if let Some(id) = answer.client_request_id() {
        text.push_str(&format!("\nclient request id: {id}"));
    }
    text
}

/// A name for the call that no other call has.
fn client_request_id() -> Result<ClientRequestId, InvalidClientRequestId> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanoseconds = now.map_or(0, |since| since.as_nanos());
    ClientRequestId::new(format!("edit-{nanoseconds:x}-{:x}", process::id()))
}
