//! The page at `/__mock/`, in a real headless browser controlled through chromedriver
//! and the WebDriver protocol.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kontext_mock::{MatchMode, MockServer};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{self, add_bird_with, post};

/// The key that identifies an element in the WebDriver protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

const ENTER: &str = "\u{E007}";

/// A browser with one window. Dropping it closes the browser.
struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    profile: TempDir,
    /// Its output is discarded, but the pipe must stay open.
    _output: BufReader<ChildStdout>,
}

impl Browser {
    /// Starts a browser; if none is installed, prints a message and returns `None`.
    fn start() -> Option<Self> {
        let spawned = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut driver) = spawned else {
            // `.ci/run` sets this, so that the test cannot be skipped there.
            assert!(
                std::env::var_os("KONTEXT_TEST_BROWSER").is_none(),
                "chromedriver is not installed"
            );
            eprintln!("not run: needs chromedriver (Debian's chromium and chromium-driver)");
            return None;
        };
        let mut output = BufReader::new(driver.stdout.take().unwrap());
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert_ne!(
                output.read_line(&mut line).unwrap(),
                0,
                "chromedriver ended"
            );
            if let Some((_, port)) = line.trim_end().split_once("successfully on port ") {
                break port.trim_end_matches('.').parse().unwrap();
            }
        };
        let profile = TempDir::new().unwrap();
        let mut browser = Self {
            driver,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            session: String::new(),
            profile,
            _output: output,
        };
        let profile = format!("--user-data-dir={}", browser.profile.path().display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1150,1250",
            &profile,
        ];
        let started = browser.call(
            "POST",
            "",
            &json!({"capabilities": {"alwaysMatch": {
                "goog:chromeOptions": {"args": arguments},
                "goog:loggingPrefs": {"browser": "ALL"},
                "timeouts": {"script": 60_000},
            }}}),
        );
        browser.session = format!("/{}", started["sessionId"].as_str().unwrap());
        Some(browser)
    }

    /// Sends a command of the WebDriver protocol.
    fn call(&self, method: &str, command: &str, body: &Value) -> Value {
        let body = if method == "GET" {
            String::new()
        } else {
            body.to_string()
        };
        let mut stream = http::connect(self.address);
        stream
            .write_all(self.request(method, command, &body).as_bytes())
            .unwrap();
        // chromedriver always keeps the connection open.
        let mut answer = BufReader::new(stream);
        let (mut status, mut length) = (String::new(), 0);
        answer.read_line(&mut status).unwrap();
        for line in answer.by_ref().lines() {
            let line = line.unwrap();
            match line.split_once(':') {
                Some(("Content-Length", value)) => length = value.trim().parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        answer.read_exact(&mut body).unwrap();
        let mut value: Value = serde_json::from_slice(&body).unwrap();
        assert!(status.starts_with("HTTP/1.1 200"), "{command}: {value:#}");
        value["value"].take()
    }

    fn request(&self, method: &str, command: &str, body: &str) -> String {
        format!(
            "{method} /session{}{command} HTTP/1.1\r\nhost: {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.session,
            self.address,
            body.len(),
        )
    }

    fn script(&self, script: &str) -> Value {
        self.call(
            "POST",
            "/execute/sync",
            &json!({"script": script, "args": []}),
        )
    }

    /// Waits until an expression is true in the page.
    fn wait_until(&self, condition: &str) {
        let script = format!(
            "const done = arguments[0];
             (function look() {{ if ({condition}) done(); else setTimeout(look, 20); }})();"
        );
        self.call(
            "POST",
            "/execute/async",
            &json!({"script": script, "args": []}),
        );
    }

    fn elements(&self, selector: &str) -> Vec<String> {
        let found = self.call(
            "POST",
            "/elements",
            &json!({"using": "css selector", "value": selector}),
        );
        let found = found.as_array().unwrap();
        found
            .iter()
            .map(|one| one[ELEMENT].as_str().unwrap().to_owned())
            .collect()
    }

    fn element(&self, selector: &str) -> String {
        let found = self.elements(selector);
        found
            .into_iter()
            .next()
            .unwrap_or_else(|| panic!("no {selector}"))
    }

    fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.call("POST", &format!("/element/{element}/click"), &json!({}));
    }

    fn press(&self, selector: &str, keys: &str) {
        let element = self.element(selector);
        self.call(
            "POST",
            &format!("/element/{element}/value"),
            &json!({"text": keys}),
        );
    }

    fn text(&self, selector: &str) -> String {
        let element = self.element(selector);
        let text = self.call("GET", &format!("/element/{element}/text"), &Value::Null);
        text.as_str().unwrap().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Close the browser, whose processes would outlive chromedriver. This must not
        // panic: it also runs when a test fails.
        if let Ok(mut stream) = TcpStream::connect(self.address) {
            let _ = stream.write_all(self.request("DELETE", "", "").as_bytes());
            let _ = stream.read(&mut [0; 1024]);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

#[tokio::test]
async fn page_shows_requests_and_sets_faults() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let server = MockServer::builder()
        .match_mode(MatchMode::Nearest)
        .start()
        .await
        .unwrap();
    let address = server.address();
    let url = format!("http://{address}/");
    browser.call("POST", "/url", &json!({"url": url}));
    assert_eq!(
        browser.call("GET", "/url", &Value::Null),
        format!("{url}__mock/")
    );

    // Requests appear without a reload, and their contents are not markup.
    let markup = "<img src=x onerror=\"document.title='run'\"></pre>";
    post(address, add_bird_with(json!({})));
    post(address, add_bird_with(json!({"prompt": markup, "seed": 7})));
    post(address, "{}");
    browser.wait_until("document.querySelectorAll('#requests > tr').length === 3");
    let rows = browser.text("#requests");
    for part in [
        "exact",
        "nearest",
        "/prompt, /seed",
        "contract",
        "model, prompt",
        "1 image, $0.0455",
    ] {
        assert!(rows.contains(part), "{part}: {rows}");
    }
    assert_eq!(
        browser.text("#totals"),
        "3 requests, 0 unmatched, 2 images, $0.0910"
    );

    // Details open with the keyboard, and the focus stays.
    browser.press("#open-2", ENTER);
    browser.wait_until("document.activeElement.id === 'open-2'");
    let details = browser.text("td.detail");
    assert!(
        details.contains("/seed: recorded nothing, received 7"),
        "{details}"
    );
    assert!(details.contains("<img src=x onerror="), "{details}");
    assert!(details.contains("authorization: [redacted]"), "{details}");
    assert_eq!(browser.script("return document.title"), "kontext-mock");

    // Every control has an accessible name.
    for element in browser.elements("button, input") {
        let label = browser.call(
            "GET",
            &format!("/element/{element}/computedlabel"),
            &Value::Null,
        );
        assert_ne!(label, "", "{element}");
    }

    // Pictures of recordings are shown.
    browser.wait_until(
        "document.images.length > 0 && [...document.images].every(image => image.complete)",
    );
    let widths = browser.script("return [...document.images].map(image => image.naturalWidth)");
    assert!(!widths.as_array().unwrap().contains(&json!(0)), "{widths}");

    // A fault can be set by a click or typed; it takes effect and can be removed.
    browser.click("#common-faults button");
    browser
        .wait_until("document.querySelector('#faults').textContent.includes('status=503,times=1')");
    browser.press("#fault", &format!("429=7{ENTER}"));
    browser.wait_until("document.querySelectorAll('#faults button').length === 2");
    assert_eq!(post(address, add_bird_with(json!({}))).status, 503);
    assert_eq!(post(address, add_bird_with(json!({}))).status, 429);
    browser.wait_until("document.querySelectorAll('#faults button').length === 1");
    browser.press("#open-2", ENTER);
    browser.script("scrollTo(0, 0)");
    save_screenshot(&browser);
    browser.click("#faults button");
    browser.wait_until("document.querySelector('#faults').textContent === 'none'");
    assert_eq!(post(address, add_bird_with(json!({}))).status, 200);
    browser.press("#fault", &format!("bogus{ENTER}"));
    browser.wait_until("document.querySelector('#problem').textContent.includes('bogus')");

    // The dark and the light scheme differ.
    let quiet = "return getComputedStyle(document.querySelector('#health')).color";
    let mut colours = ["light", "dark"].map(|scheme| {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let emulate =
            json!({"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}});
        browser.call("POST", "/goog/cdp/execute", &emulate);
        browser.script(quiet).to_string()
    });
    colours.sort();
    assert_ne!(colours[0], colours[1]);

    // A reset clears the list; a reset by another program does too.
    browser.click("#reset");
    browser.wait_until("document.querySelectorAll('#requests > tr').length === 0");
    assert_eq!(server.received().len(), 0);
    post(address, add_bird_with(json!({})));
    browser.wait_until("document.querySelectorAll('#requests > tr').length === 1");
    server.reset();
    browser.wait_until("document.querySelectorAll('#requests > tr').length === 0");

    let logged = browser.call("POST", "/se/log", &json!({"type": "browser"}));
    let logged: Vec<_> = logged.as_array().unwrap().iter().collect();
    // The browser logs only the 400 for the unknown fault.
    assert_eq!(logged.len(), 1, "{logged:#?}");
    assert!(
        logged[0]["message"].as_str().unwrap().contains("400"),
        "{logged:#?}"
    );
}

/// Saves a screenshot below `target/`; the README's picture is a copy of it.
fn save_screenshot(browser: &Browser) {
    let picture = browser.call("GET", "/screenshot", &Value::Null);
    let picture = BASE64_STANDARD.decode(picture.as_str().unwrap()).unwrap();
    fs::write(
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("page.png"),
        picture,
    )
    .unwrap();
}

#[tokio::test]
async fn only_browsers_are_redirected_to_page() {
    let server = MockServer::start().await.unwrap();
    let get = |path, accept| http::send(server.address(), "GET", path, &[("accept", accept)], b"");
    for path in ["/", "/__mock"] {
        let answer = get(path, "text/html,application/xhtml+xml,*/*;q=0.8");
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/__mock/"))
        );
        assert_eq!(get(path, "*/*").status, 404);
    }
    // Requests that browsers send on their own are not journaled.
    assert_eq!(server.received().len(), 2);
    let page = get("/__mock/", "*/*");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
}
