//! Bodies of 10 MB.

use std::{fmt::Write as _, io::Write as _, time::Duration};

use flate2::{Compression, write::GzEncoder};

use crate::{
    Effort, Result, exchange,
    process::Server,
    start::milliseconds,
    statistics::Summary,
    table::{Goal, Row},
    template,
};

/// How long each body is, in bytes.
const LENGTH: usize = 10 * 1024 * 1024;

const URL: &str =
    "https://raw.githubusercontent.com/aimlapi/api-docs/main/reference-files/t-rex.png";

/// The header line of a body that is compressed.
const GZIP: &str = "content-encoding: gzip\r\n";

/// A line for the slowest kind, whose details name the others, and one for those
/// that have to be decompressed first: that alone takes as long as the goal.
pub(crate) fn rows(effort: Effort) -> Result<Vec<Row>> {
    let server = Server::mock(None)?;
    let (zipped, plain): (Vec<_>, Vec<_>) = kinds_of_bodies()?
        .into_iter()
        .partition(|kind| kind.header == GZIP);
    let bare = median(&read_by_bare(effort)?);
    Ok(vec![
        row(
            "a body of 10 MB, the slowest kind",
            Goal::AtMost(50.0),
            &format!("axum reads one in {bare:.1} ms; "),
            &sent(&server, &plain, effort)?,
        ),
        row(
            "a body of 10 MB in gzip, the slowest kind",
            Goal::None,
            "",
            &sent(&server, &zipped, effort)?,
        ),
    ])
}

/// What a kind is called, the status it is answered with, and the times.
type Sent = (&'static str, u16, Vec<Duration>);

/// Sends each kind a few times; the slowest is the first.
fn sent(server: &Server, kinds: &[Kind], effort: Effort) -> Result<Vec<Sent>> {
    let mut sent = Vec::new();
    for kind in kinds {
        let request = template::request(server.address, kind.header, &kind.body);
        let mut times = Vec::new();
        let mut status = 0;
        for _ in 0..effort.bodies {
            let answer = exchange::send(server.address, &request)
                .map_err(|error| format!("a body of 10 MB, {}: {error}", kind.name))?;
            status = answer.status;
            times.push(answer.time);
        }
        sent.push((kind.name, status, times));
    }
    sent.sort_by(|(.., left), (.., right)| median(right).total_cmp(&median(left)));
    Ok(sent)
}

fn row(name: &str, goal: Goal, before: &str, kinds: &[Sent]) -> Row {
    let mut details = before.to_owned();
    for (name, status, times) in kinds {
        let _ = write!(details, "{name} {:.1} ms ({status}), ", median(times));
    }
    let worst = kinds.first().map_or(&[][..], |(.., times)| times);
    milliseconds(name, goal, 1, worst).details(details.trim_end_matches(", "))
}

fn median(times: &[Duration]) -> f64 {
    Summary::of_times(times).map_or(f64::INFINITY, |times| times.median)
}

/// How long a server takes that does nothing with such a body.
fn read_by_bare(effort: Effort) -> Result<Vec<Duration>> {
    let server = Server::bare(0)?;
    let request = template::request(server.address, "", " ".repeat(LENGTH).as_bytes());
    (0..effort.bodies)
        .map(|_| Ok(exchange::send(server.address, &request)?.time))
        .collect()
}

/// A body that is long in one way.
struct Kind {
    name: &'static str,
    header: &'static str,
    body: Vec<u8>,
}

/// Bodies of [`LENGTH`] bytes, as sent or as decoded, that are long in
/// different ways.
fn kinds_of_bodies() -> Result<Vec<Kind>> {
    let with = |image_url: &str, prompt: &str, more: &str| {
        format!(
            "{{\"model\":\"flux/kontext-pro/image-to-image\",\"image_url\":\"{image_url}\",\"prompt\":\"{prompt}\"{more}}}"
        )
    };
    let rest = LENGTH - with(URL, "Add a bird.", "").len();
    let filled = |part: &str, length: usize| part.repeat(length / part.len());
    let list = |part: &str| format!(",\"extra\":[{}0]", filled(part, rest - 13));
    let mut keys = String::from(",\"extra\":{");
    let mut number = 0_u32;
    while keys.len() + 20 < rest {
        let _ = write!(keys, "\"k{number}\":0,");
        number += 1;
    }
    keys.push_str("\"last\":0}");
    let half = (rest - 12) / 2;
    let deep = format!(",\"extra\":{}{}", "[".repeat(half), "]".repeat(half));
    let digits = format!(",\"seed\":{}", "7".repeat(rest - 8));
    let picture = with(
        &format!("data:image/png;base64,{}", base64(rest)),
        "Add a bird.",
        "",
    );
    let spaces = " ".repeat(LENGTH);
    let part = gzip(spaces.as_bytes())?;

    let plain = [
        ("prompt", with(URL, &filled("Add a bird. ", rest), "")),
        ("escapes", with(URL, &filled("\\u00e9", rest), "")),
        ("digits", with(URL, "Add a bird.", &digits)),
        ("numbers", with(URL, "Add a bird.", &list("1,"))),
        ("arrays", with(URL, "Add a bird.", &list("[],"))),
        ("deep arrays", with(URL, "Add a bird.", &deep)),
        ("objects", with(URL, "Add a bird.", &list("{\"a\":1},"))),
        ("keys", with(URL, "Add a bird.", &keys)),
        (
            "whitespace",
            with(URL, "Add a bird.", spaces.get(..rest).unwrap_or_default()),
        ),
    ];
    let mut kinds: Vec<Kind> = plain
        .into_iter()
        .map(|(name, body)| Kind {
            name,
            header: "",
            body: body.into_bytes(),
        })
        .collect();
    let zipped = |name, body| Kind {
        name,
        header: GZIP,
        body,
    };
    kinds.extend([
        zipped("gzip of a data URI", gzip(picture.as_bytes())?),
        // Ten thousand million spaces: how much is decoded has to have an end.
        zipped("gzip bomb", part.repeat(LENGTH / part.len())),
        Kind {
            name: "data URI",
            header: "",
            body: picture.into_bytes(),
        },
    ]);
    Ok(kinds)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// So many characters of base64 that do not compress better than a picture
/// does, the same in each run.
fn base64(length: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut text = String::with_capacity(length);
    for _ in 0..length / 4 * 4 {
        // Xorshift, of which the upper bits are good.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let index = usize::try_from(state >> 58).unwrap_or_default();
        text.push(ALPHABET.get(index).copied().map_or('A', char::from));
    }
    text
}
