//! Runs a row: starts servers and a client, makes the call, and collects what the servers saw.

use std::future::Future;
use std::time::Duration;

use contract_tests::faults::{Address, FaultServer, Script, Seen};
use kontext_api::{
    Client, ClientBuilder, DownloadError, DownloadedImage, Error, GeneratedImages,
    ImageToImageRequest, RetryPolicy,
};

use super::KEY;
use super::rows::{Before, Exchange, Row};

/// A timeout that must expire. Long enough to connect and send even on a busy machine.
const SHORT: Duration = Duration::from_secs(1);
/// A timeout that must not expire.
const GENEROUS: Duration = Duration::from_secs(60);

/// The outcome of a call, and what the servers saw of it.
pub(super) struct Run<T> {
    pub(super) row: &'static Row,
    pub(super) outcome: T,
    /// Traffic at the server that plays the script, since the call began.
    pub(super) seen: Seen,
    /// Traffic at the other origin.
    pub(super) elsewhere: Seen,
}

/// The outcome of a request to generate an image.
pub(super) type Generated = Run<Result<GeneratedImages, Error>>;

/// The outcome of a download.
pub(super) type Downloaded = Run<Result<DownloadedImage, DownloadError>>;

/// The servers of a row.
struct Stage {
    server: FaultServer,
    elsewhere: FaultServer,
    speaks_http2: bool,
}

impl Stage {
    fn set(row: &Row, exchange: fn(String, String) -> Exchange) -> Self {
        let (here, elsewhere) = (Address::take().unwrap(), Address::take().unwrap());
        let exchange = exchange(here.url(), elsewhere.url());
        let good = Script::Steps(vec![exchange.good()]);
        let script = (row.script)(&exchange);
        Self {
            speaks_http2: matches!(script, Script::Http2(_)),
            server: here.play(script).unwrap(),
            elsewhere: elsewhere.play(good).unwrap(),
        }
    }

    /// A client as users have it, except for timeouts, retry delays and TLS certificates.
    fn client(&self, row: &Row) -> Client {
        let speaks_http2 = self.speaks_http2;
        builder(&self.server)
            .attempt_timeout(time_out(row))
            .download_stall_timeout(time_out(row))
            .retry(RetryPolicy::default().base_delay(Duration::from_millis(1)))
            .configure_download_http(move |http| lean(http, speaks_http2))
            .configure_http(move |http| lean(http, speaks_http2))
            .build()
            .unwrap()
    }

    /// Calls once or twice, as the row says. Only the last call counts.
    async fn call<T, F: Future<Output = T>>(
        self,
        row: &'static Row,
        call: impl Fn() -> F,
    ) -> Run<T> {
        if row.before != Before::Nothing {
            within(row, call()).await;
            assert_eq!(self.server.seen().requests.len(), 1, "{}", row.name);
        }
        if row.before == Before::CallAndClose {
            within(row, self.server.until(|seen| seen.ended == 1)).await;
        }
        let before = self.server.seen();
        let outcome = within(row, call()).await;
        // Dropping the call drops its client and connections. Once the server has seen them
        // end, nothing more can arrive.
        drop(call);
        let is_over = |seen: &Seen| seen.ended == seen.connections;
        let seen = within(row, self.server.until(is_over)).await;
        let elsewhere = within(row, self.elsewhere.until(is_over)).await;
        Run {
            row,
            outcome,
            seen: seen.since(&before),
            elsewhere,
        }
    }
}

/// An HTTP client that skips loading the system's certificates, which takes longer than
/// everything else.
fn lean(http: reqwest::ClientBuilder, speaks_http2: bool) -> reqwest::ClientBuilder {
    let http = http.tls_certs_only([]);
    match speaks_http2 {
        true => http.http2_prior_knowledge(),
        false => http,
    }
}

/// Awaits a future and panics if it stalls.
async fn within<T>(row: &Row, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(2 * GENEROUS, future)
        .await
        .unwrap_or_else(|_| panic!("{} waits for ever", row.name))
}

fn time_out(row: &Row) -> Duration {
    if row.times_out { SHORT } else { GENEROUS }
}

/// A client for a server that fails.
pub(super) fn builder(server: &FaultServer) -> ClientBuilder {
    Client::builder().api_key(KEY).base_url(server.url())
}

/// A minimal request.
pub(super) fn request() -> ImageToImageRequest {
    ImageToImageRequest::builder()
        .model(kontext_api::types::ImageToImageModel::FluxKontextProImageToImage)
        .prompt("Add a bird.")
        .image_url("https://example.com/cat.png")
        .build()
        .unwrap()
}

/// Generates an image under a fault.
pub(super) async fn generate(row: &'static Row) -> Generated {
    let stage = Stage::set(row, Exchange::post);
    let client = stage.client(row);
    // The closure owns the client, so dropping it drops the client.
    stage
        .call(row, move || {
            let client = client.clone();
            async move { client.generate(request()).await }
        })
        .await
}

/// Downloads a picture under a fault.
pub(super) async fn download(row: &'static Row) -> Downloaded {
    let stage = Stage::set(row, Exchange::get);
    let client = stage.client(row);
    let url = format!("{}/picture.png", stage.server.url());
    let answer = format!(r#"{{"images": [{{"url": "{url}"}}]}}"#);
    let answer = GeneratedImages::from_json(answer).unwrap();
    stage
        .call(row, move || {
            let (client, answer) = (client.clone(), answer.clone());
            async move { client.download(&answer.images()[0]).bytes().await }
        })
        .await
}

/// The `Display` and `Debug` output of an error and its causes.
pub(super) fn prints(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        text.push_str(&format!("{error}\n{error:?}\n{error:#?}\n"));
        next = error.source();
    }
    text
}
