//! The faults, as data: a name, a script, and the circumstances.

use contract_tests::faults::{Framing, Http2Fault, Response, Script, Step};

use super::KEY;
use super::bodies::{
    BASE64, HTML, ONE_IMAGE, ONE_IMAGE_GZIP, PNG, PNG_GZIP, SHAPE_BOTH, SHAPE_DATA,
    SHAPE_DATA_COST, SHAPE_IMAGES, refusal,
};

/// A fault.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Whether a download is tested under this fault too. Most faults in a POST's response
    /// body don't apply to downloads.
    pub(super) is_for_downloads: bool,
    /// Whether the client must time out.
    pub(super) times_out: bool,
    pub(super) before: Before,
    pub(super) script: fn(&Exchange) -> Script,
}

/// What happens before the call under test.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    /// A successful call, so that there is a connection to reuse.
    Call,
    /// A successful call, after which the server and then the client close the connection.
    CallAndClose,
}

impl Row {
    const fn both(name: &'static str, script: fn(&Exchange) -> Script) -> Self {
        Self {
            name,
            is_for_downloads: true,
            times_out: false,
            before: Before::Nothing,
            script,
        }
    }

    const fn generate(name: &'static str, script: fn(&Exchange) -> Script) -> Self {
        let mut row = Self::both(name, script);
        row.is_for_downloads = false;
        row
    }

    const fn timing_out(mut self) -> Self {
        self.times_out = true;
        self
    }

    const fn after(mut self, before: Before) -> Self {
        self.before = before;
        self
    }
}

/// What a script is built from: the successful response that it spoils, and the URLs of the
/// servers.
pub(super) struct Exchange {
    pub(super) body: &'static [u8],
    pub(super) gzip: &'static [u8],
    pub(super) content_type: &'static str,
    /// The origin of the server that plays the script.
    pub(super) here: String,
    /// Another origin, which responds with a success.
    pub(super) elsewhere: String,
}

impl Exchange {
    /// A call that generates an image.
    pub(super) fn post(here: String, elsewhere: String) -> Self {
        Self {
            body: ONE_IMAGE,
            gzip: ONE_IMAGE_GZIP,
            content_type: "application/json",
            here,
            elsewhere,
        }
    }

    /// A download of a picture.
    pub(super) fn get(here: String, elsewhere: String) -> Self {
        Self {
            body: PNG,
            gzip: PNG_GZIP,
            content_type: "image/png",
            here,
            elsewhere,
        }
    }

    /// The successful response, as a step.
    pub(super) fn good(&self) -> Step {
        Step::answer(self.success(200, self.body))
    }

    fn success(&self, status: u16, body: &[u8]) -> Response {
        answer(status, self.content_type, body)
    }

    /// A success cut after half of its body.
    fn half(&self, framing: Framing) -> Step {
        let body = &self.body[..self.body.len() / 2];
        Step::answer(self.success(200, body).framing(framing)).close()
    }
}

/// A response with all of the provider's headers. Errors cost nothing.
fn answer(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
    let (credits, dollars) = match status {
        200..=299 => ("91000", "0.0455"),
        _ => ("0", "0"),
    };
    Response::new(status, body)
        .header("content-type", content_type)
        .header("x-inference-id", "inf-7")
        .header("x-client-request-id", "mine-1")
        .header("x-aimlapi-credits-used", credits)
        .header("x-aimlapi-usd-spent", dollars)
}

fn json(status: u16, body: impl Into<Vec<u8>>) -> Response {
    answer(status, "application/json", body)
}

/// A gateway's 503, then a success: a client that retries is charged for that image as well.
fn gateway(exchange: &Exchange, content_type: &str, body: impl Into<Vec<u8>>) -> Script {
    steps([
        Step::answer(answer(503, content_type, body)),
        exchange.good(),
    ])
}

/// An error in the provider's shape.
fn refused(status: u16, message: &str) -> Response {
    json(status, refusal(&status.to_string(), message))
}

fn limited() -> Response {
    refused(429, "Too Many Requests")
}

fn redirect(status: u16, origin: &str) -> Script {
    let target = format!("{origin}/v2/images");
    one(answer(status, "text/plain", "").header("location", target))
}

/// Sends this response to every request.
fn one(response: Response) -> Script {
    steps([Step::answer(response)])
}

fn steps<const N: usize>(steps: [Step; N]) -> Script {
    Script::Steps(steps.into())
}

/// The rows in which a second POST is correct: the response proves that the first one was
/// not processed.
pub(super) const SENT_AGAIN: &[&str] = &[
    "429 without a body",
    "429 with a string statusCode, then 200",
    "429 with Retry-After in seconds, then 200",
    "429 with Retry-After as a date, then 200",
    "503, then 200",
    "503 with Retry-After, then 200",
    "503 with a string statusCode, then 200",
    "503, 503, then 200",
];

pub(super) const ROWS: &[Row] = &[
    Row::both("none", |x| steps([x.good()])),
    // No response.
    Row::both("refused connection", |_| Script::Refuse),
    Row::both("reset before the request is read", |_| {
        steps([Step::nothing().unread().reset()])
    }),
    Row::both("reset after the request", |_| {
        steps([Step::nothing().reset()])
    }),
    Row::both("closed without a byte", |_| steps([Step::nothing()])),
    Row::both("garbage", |_| {
        steps([Step::bytes("\u{1}\u{2} this is not HTTP\r\n\r\n")])
    }),
    Row::both("cut status line", |_| steps([Step::bytes("HTTP/1.1 2")])),
    Row::both("cut headers", |_| {
        steps([Step::bytes("HTTP/1.1 200 OK\r\ncontent-le")])
    }),
    Row::both("slow headers", |_| steps([Step::bytes("H").hold()])).timing_out(),
    // Truncated responses.
    Row::both("cut body, by its length", |x| {
        steps([x.half(Framing::LengthBeyond(9))])
    }),
    Row::both("cut body, in chunks", |x| {
        steps([x.half(Framing::ChunkedWithoutEnd)])
    }),
    Row::both("cut body, ends with the connection", |x| {
        steps([x.half(Framing::Close)])
    }),
    Row::both("slow body", |x| {
        steps([x.half(Framing::LengthBeyond(9)).hold()])
    })
    .timing_out(),
    // Successes.
    Row::generate("200, images alone", |_| one(json(200, SHAPE_IMAGES))),
    Row::generate("200, images and data and meta", |_| {
        one(json(200, SHAPE_BOTH))
    }),
    Row::generate("200, data and meta", |_| one(json(200, SHAPE_DATA))),
    Row::generate("200, data with dollars and model", |_| {
        one(json(200, SHAPE_DATA_COST))
    }),
    Row::generate("200, base64", |_| one(json(200, BASE64))),
    Row::both("200 in chunks", |x| {
        one(x.success(200, x.body).framing(Framing::Chunked))
    }),
    Row::both("201", |x| one(x.success(201, x.body))),
    // Malformed or unusual successes.
    Row::both("200 without a body", |x| one(x.success(200, b""))),
    Row::both("204", |x| one(x.success(204, b"").framing(Framing::Close))),
    Row::generate("200, an empty object", |_| one(json(200, "{}"))),
    Row::generate("200, an empty list of images", |_| {
        one(json(200, r#"{"images": []}"#))
    }),
    Row::generate("200, moderated", |_| {
        one(json(200, r#"{"images": [], "has_nsfw_concepts": [true]}"#))
    }),
    Row::generate("200, an error in the body", |_| {
        one(refused(200, "The model failed."))
    }),
    Row::generate("200, a wrong type", |_| {
        let body = r#"{"images": [{"url": "https://cdn.example.com/1.jpg"}], "seed": "abc"}"#;
        one(json(200, body))
    }),
    Row::generate("200, wrong types everywhere", |_| {
        let body = r#"{"images": "none", "data": [{"url": "https://cdn.example.com/1.jpg",
            "width": "1184", "b64_json": 7}], "seed": -1, "timings": [], "meta": [],
            "has_nsfw_concepts": true, "prompt": 7, "model": {}}"#;
        one(json(200, body))
    }),
    Row::generate("200, URLs without objects", |_| {
        one(json(
            200,
            r#"{"images": ["https://cdn.example.com/1.jpg"]}"#,
        ))
    }),
    Row::generate("200, a byte that is not UTF-8", |_| {
        let mut body = ONE_IMAGE.to_vec();
        body.splice(1..1, *b"\"prompt\": \"caf\xe9\", ");
        one(json(200, body))
    }),
    Row::generate("200, a NaN after the images", |_| {
        let body =
            String::from_utf8_lossy(ONE_IMAGE).replace("]}", "], \"timings\": {\"a\": NaN}}");
        one(json(200, body))
    }),
    Row::generate("200, no image that can be read", |_| {
        one(json(200, r#"{"images": [{"url": 7}, 8]}"#))
    }),
    Row::both("200, an HTML page", |_| one(answer(200, "text/html", HTML))),
    Row::both("200, gzip that nobody asked for", |x| {
        one(x.success(200, x.gzip).header("content-encoding", "gzip"))
    }),
    // Redirects.
    Row::both("302 to another origin", |x| redirect(302, &x.elsewhere)),
    Row::both("303 to another origin", |x| redirect(303, &x.elsewhere)),
    Row::both("307 to another origin", |x| redirect(307, &x.elsewhere)),
    Row::both("308 to another origin", |x| redirect(308, &x.elsewhere)),
    Row::both("302 to itself", |x| redirect(302, &x.here)),
    Row::both("307 to itself", |x| redirect(307, &x.here)),
    Row::both("308 to itself", |x| redirect(308, &x.here)),
    // Client errors.
    Row::both("400", |_| one(refused(400, "Body validation error"))),
    Row::both("401", |_| {
        one(refused(401, "This request requires a valid API key."))
    }),
    Row::both("403 about credits", |_| {
        one(refused(
            403,
            "You've run out of credits. Please top up your balance.",
        ))
    }),
    Row::both("403", |_| one(refused(403, "Forbidden"))),
    Row::both("404", |_| one(refused(404, "Not Found"))),
    Row::both("429 without a body", |_| one(json(429, ""))),
    Row::both("429 with a string statusCode, then 200", |x| {
        let body = refusal("\"429\"", "Too Many Requests");
        steps([Step::answer(json(429, body)), x.good()])
    }),
    Row::both("429 with Retry-After in seconds, then 200", |x| {
        let limited = limited().header("retry-after", "0");
        steps([Step::answer(limited), x.good()])
    }),
    Row::both("429 with Retry-After as a date, then 200", |x| {
        let limited = limited().header("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT");
        steps([Step::answer(limited), x.good()])
    }),
    Row::both("429 with Retry-After of an hour", |_| {
        one(limited().header("retry-after", "3600"))
    }),
    Row::both("429 with Retry-After of a date far away", |_| {
        one(limited().header("retry-after", "Sat, 06 Nov 2094 08:49:37 GMT"))
    }),
    Row::generate("429 that names its cost", |_| {
        let body = refusal("429", "Too Many Requests");
        one(Response::new(429, body).header("x-aimlapi-credits-used", "91000"))
    }),
    Row::both("429 about a quota", |_| {
        one(refused(
            429,
            "Free-tier limit: You've reached your free limit for the hour.",
        ))
    }),
    // Timeouts and server errors.
    Row::both("408", |_| one(refused(408, "Request timeout"))),
    Row::generate("500, an HTML page", |_| one(answer(500, "text/html", HTML))),
    Row::both("500", |_| one(refused(500, "Internal server error"))),
    Row::generate("500 with a message alone", |_| {
        one(json(500, r#"{"message": "Internal server error"}"#))
    }),
    Row::both("502, an HTML page", |_| one(answer(502, "text/html", HTML))),
    Row::both("503, then 200", |x| {
        steps([Step::answer(refused(503, "Service unavailable")), x.good()])
    }),
    Row::both("503 with Retry-After, then 200", |x| {
        let unavailable = refused(503, "Service unavailable").header("retry-after", "0");
        steps([Step::answer(unavailable), x.good()])
    }),
    Row::both("503 with a string statusCode, then 200", |x| {
        let body = refusal("\"503\"", "Service unavailable");
        steps([Step::answer(json(503, body)), x.good()])
    }),
    Row::both("503 of Envoy, then 200", |x| {
        let body = "upstream connect error or disconnect/reset before headers. reset reason: \
                    connection termination";
        gateway(x, "text/plain", body)
    }),
    Row::both("503, an HTML page, then 200", |x| {
        gateway(x, "text/html", HTML)
    }),
    Row::both("503 without a body, then 200", |x| {
        gateway(x, "text/plain", "")
    }),
    Row::both("503 with another statusCode, then 200", |x| {
        gateway(x, "application/json", refusal("502", "Bad Gateway"))
    }),
    Row::both("503 without a requestId, then 200", |x| {
        let body = r#"{"statusCode": 503, "message": "Service Unavailable"}"#;
        gateway(x, "application/json", body)
    }),
    Row::both("503 with an empty requestId, then 200", |x| {
        let body = r#"{"requestId": " ", "statusCode": 503, "message": "Service Unavailable"}"#;
        gateway(x, "application/json", body)
    }),
    Row::both("503 with two requestIds, then 200", |x| {
        let body = r#"{"requestId": "", "requestId": "r", "statusCode": 503, "message": "no"}"#;
        gateway(x, "application/json", body)
    }),
    Row::both("503 with a detail, then 200", |x| {
        let body = r#"{"requestId": "r", "statusCode": 503, "detail": "Service Unavailable"}"#;
        gateway(x, "application/json", body)
    }),
    Row::both("503 of the provider, cut, then 200", |x| {
        let body = refusal("503", "Service unavailable");
        let cut = json(503, body).framing(Framing::LengthBeyond(9));
        steps([Step::answer(cut).close(), x.good()])
    }),
    Row::both("503, 503, then 200", |x| {
        let unavailable = || Step::answer(refused(503, "Service unavailable"));
        steps([unavailable(), unavailable(), x.good()])
    }),
    Row::both("503 with a cut body, then 200", |x| {
        let cut = answer(503, "text/html", "<html>").framing(Framing::LengthBeyond(9));
        steps([Step::answer(cut).close(), x.good()])
    }),
    Row::both("503 about maintenance", |_| {
        one(refused(503, "The model is under maintenance."))
    }),
    Row::both("504", |_| one(refused(504, "Generation timeout"))),
    // Responses that repeat the key in their body or headers.
    Row::both("401 that repeats the key", |_| {
        one(refused(401, &format!("The key {KEY} is not valid.")))
    }),
    Row::generate("200 that repeats the key", |_| {
        let body = r#"{"images": [{"url": "https://cdn.example.com/KEY"}], "prompt": "KEY"}"#;
        one(json(200, body.replace("KEY", KEY)))
    }),
    Row::generate("200, a wrong type that repeats the key", |_| {
        one(json(200, r#"{"data": ["KEY"]}"#.replace("KEY", KEY)))
    }),
    Row::generate("307 to a place with the key", |x| {
        redirect(307, &format!("{}/{KEY}?key={KEY}#", x.elsewhere))
    }),
    // A kept-alive connection that breaks.
    Row::both("kept alive, closed while idle", |x| {
        steps([x.good().close(), x.good()])
    })
    .after(Before::CallAndClose),
    Row::both("kept alive, closed when the request is read", |x| {
        steps([x.good(), Step::nothing()])
    })
    .after(Before::Call),
    Row::both("kept alive, reset when the request arrives", |x| {
        steps([x.good(), Step::nothing().unread().reset()])
    })
    .after(Before::Call),
    // HTTP/2.
    Row::both("HTTP/2, stream refused", |_| {
        Script::Http2(Http2Fault::RefuseStream)
    }),
    Row::both("HTTP/2, stream broken", |_| {
        Script::Http2(Http2Fault::BreakStream)
    }),
    Row::both("HTTP/2, GOAWAY, stream not seen", |_| {
        Script::Http2(Http2Fault::GoAwayUnseen)
    }),
    Row::both("HTTP/2, GOAWAY, stream seen", |_| {
        Script::Http2(Http2Fault::GoAwaySeen)
    }),
];
