//! The matrix as a readable table.

use kontext_api::reqwest::header::HeaderMap;
use kontext_api::{Error, GeneratedImages, Reply};

use super::run::{Downloaded, Generated};

const ABOUT: &str = "\
Each row is a fault of the server, each half of it a call that meets the fault.

generate: `client.generate(request)`, with the default policy and no delay between attempts
  outcome      the number of images (and the bytes of those that are in the answer), or the
               error's variant, the status, and how long the provider asks to wait
  again?       whether `is_retryable` says that the caller may send the request again
  charged?     whether `may_have_been_charged` says that money may have been spent
  tries        how many attempts the client says that it has made
  POSTs        how many POSTs reached the server, those of which it has only seen the first
               bytes included; in brackets how many it has read to their end, if that differs
  conn.        how many connections the call made
  ids          the request id that the outcome has, and the client request id that it says the
               server has sent back
download: `client.download(&image).bytes()`, under the same faults; `-` where a fault is of a POST alone
  outcome      the number of bytes of the picture, or the error's variant and the status
  GETs         how many GETs reached the server
  conn.        how many connections the call made to it
  elsewhere    how many requests reached the other origin (of generate there is none in any row)
";

const HEADERS: [&str; 12] = [
    "fault",
    "generate: outcome",
    "again?",
    "charged?",
    "tries",
    "POSTs",
    "conn.",
    "ids",
    "download: outcome",
    "GETs",
    "conn.",
    "elsewhere",
];

/// The table, preceded by a legend.
pub(super) fn table(runs: &[(Generated, Option<Downloaded>)]) -> String {
    let mut rows = vec![HEADERS.map(str::to_owned)];
    rows.push(HEADERS.map(|_| String::new()));
    rows.extend(runs.iter().map(|(generated, downloaded)| {
        let [result, again, charged, tries, posts, connections, ids] = generated_cells(generated);
        let [bytes, gets, made, elsewhere] = match downloaded {
            Some(run) => downloaded_cells(run),
            None => ["-", "", "", ""].map(str::to_owned),
        };
        let name = generated.row.name.to_owned();
        [
            name,
            result,
            again,
            charged,
            tries,
            posts,
            connections,
            ids,
            bytes,
            gets,
            made,
            elsewhere,
        ]
    }));
    let widths: Vec<usize> = (0..HEADERS.len())
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    rows[1] = std::array::from_fn(|column| "-".repeat(widths[column]));
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, &width)| format!("{cell:width$}"))
            .collect();
        line.join("  ").trim_end().to_owned() + "\n"
    });
    format!("{ABOUT}\n{}", lines.collect::<String>())
}

fn generated_cells(run: &Generated) -> [String; 7] {
    let yes = |yes, word: &str| if yes { word } else { "no" }.to_owned();
    let posts: Vec<_> = run.seen.with_method("POST").collect();
    let whole = posts.iter().filter(|post| post.is_whole).count();
    let counted = match posts.len() {
        all if all == whole => all.to_string(),
        all => format!("{all} ({whole})"),
    };
    let (outcome, again, charged, ids) = match &run.outcome {
        Ok(answer) => (
            succeeded(answer),
            String::new(),
            String::new(),
            [answer.request_id(), echo(answer.headers())],
        ),
        Err(error) => (
            failed(error),
            yes(error.is_retryable(), "yes"),
            yes(error.may_have_been_charged(), "maybe"),
            [error.request_id(), error_headers(error).and_then(echo)],
        ),
    };
    let ids: Vec<&str> = ids.into_iter().flatten().collect();
    let call = match &run.outcome {
        Ok(answer) => answer.call(),
        Err(error) => error.call(),
    };
    [
        outcome,
        again,
        charged,
        call.map(|call| call.attempts().to_string())
            .unwrap_or_default(),
        counted,
        run.seen.connections.to_string(),
        ids.join(" "),
    ]
}

fn succeeded(answer: &GeneratedImages) -> String {
    let images = answer.images();
    let plural = if images.len() == 1 { "" } else { "s" };
    let mut text = format!("{} image{plural}", images.len());
    for image in images {
        if let Some(bytes) = image.decode_base64().unwrap() {
            text.push_str(&format!(", {} bytes", bytes.len()));
        }
    }
    text
}

fn failed(error: &Error) -> String {
    let mut text = variant(&format!("{error:?}"));
    if let Some(status) = error.status() {
        text.push_str(&format!(" {}", status.as_u16()));
    }
    if let Some(delay) = error.retry_after() {
        text.push_str(&format!(", wait {} s", delay.as_secs()));
    }
    text
}

/// The variant's name, with which its `Debug` output begins.
fn variant(debug: &str) -> String {
    let name = debug.split(|character: char| !character.is_alphanumeric());
    name.take(1).collect()
}

fn error_headers(error: &Error) -> Option<&HeaderMap> {
    match error {
        Error::NoImages(answer) => Some(answer.headers()),
        other => other.reply().map(Reply::headers),
    }
}

/// The client request id that the server sent back.
fn echo(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-client-request-id")?.to_str().ok()
}

fn downloaded_cells(run: &Downloaded) -> [String; 4] {
    let outcome = match &run.outcome {
        Ok(image) => format!("{} bytes", image.bytes.len()),
        Err(error) => {
            let status = error.status();
            let status = status.map_or(String::new(), |status| format!(" {}", status.as_u16()));
            variant(&format!("{error:?}")) + &status
        }
    };
    let gets = run.seen.with_method("GET").count();
    let elsewhere = run.elsewhere.requests.len();
    [
        outcome,
        gets.to_string(),
        run.seen.connections.to_string(),
        elsewhere.to_string(),
    ]
}
