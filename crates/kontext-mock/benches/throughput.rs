//! Compares the mock with the default settings of `serve`, including its log, to an
//! axum server that parses the JSON, validates it with a precompiled `jsonschema`
//! (formats enabled) and returns a constant response: about the minimum cost of a mock
//! that validates.
//!
//! `cargo bench -p kontext-mock` (Linux). Both servers run in their own processes, are
//! loaded in turn over 32 connections, and their medians are compared.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a benchmark fails by panicking, and is no library"
)]

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, http::StatusCode, routing::post};
use serde_json::{Value, json};

const PATH: &str = "/v1/images/generations";
const CONNECTIONS: usize = 32;
const REQUESTS: usize = 40_000;
const ROUNDS: usize = 5;

/// With this argument the program runs as the baseline server.
const BASELINE: &str = "--baseline-server";

/// The recorded request and response that both servers use.
const REQUEST: &str = include_str!("../recordings/generate-image/add-bird/request.json");
const RESPONSE: &str = include_str!("../recordings/generate-image/add-bird/response.json");

fn main() {
    if env::args().any(|argument| argument == BASELINE) {
        return baseline_server();
    }
    // `cargo test --benches` only checks that it builds and starts.
    if !env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!(
        "start to first answer: {:.1} ms (median of 20)",
        start_time()
    );
    println!("{CONNECTIONS} connections, {ROUNDS} rounds of {REQUESTS} requests; medians");
    println!("| requests | server | requests/s | processor µs/request | p99 ms |");
    println!("|---|---|---|---|---|");
    for (name, body) in [("equal", equal as MakeBody), ("no two alike", unique)] {
        let servers = [Server::mock(), Server::baseline()];
        let mut runs: [Vec<Run>; 2] = Default::default();
        for round in 0..ROUNDS {
            for (server, runs) in servers.iter().zip(&mut runs) {
                runs.push(load(server, body, round));
            }
        }
        let [mock, baseline] = runs.map(|runs| Run::median(&runs));
        for (server, run) in [("mock", &mock), ("axum", &baseline)] {
            let Run { rate, cpu, p99 } = run;
            println!("| {name} | {server} | {rate:.0} | {cpu:.1} | {p99:.2} |");
        }
        println!(
            "| {name} | ratio | {:.2} | {:.2} | {:.2} |",
            mock.rate / baseline.rate,
            mock.cpu / baseline.cpu,
            mock.p99 / baseline.p99
        );
        println!("memory of the mock after it: {:.1} MB", servers[0].memory());
    }
}

/// Creates the request body with this number.
type MakeBody = fn(usize) -> String;

fn equal(_number: usize) -> String {
    REQUEST.to_owned()
}

fn unique(number: usize) -> String {
    let mut body: Value = serde_json::from_str(REQUEST).unwrap();
    body["prompt"] = json!(format!(
        "Add bird number {number} to the foreground of the photo."
    ));
    body["seed"] = json!(number + 1);
    body.to_string()
}

/// The measurements of one round.
#[derive(Default)]
struct Run {
    /// Requests per second.
    rate: f64,
    /// CPU time of the server per request, in microseconds.
    cpu: f64,
    /// 99th percentile of the response time, in milliseconds.
    p99: f64,
}

impl Run {
    fn median(runs: &[Self]) -> Self {
        let of = |value: fn(&Self) -> f64| {
            let mut values: Vec<_> = runs.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Self {
            rate: of(|run| run.rate),
            cpu: of(|run| run.cpu),
            p99: of(|run| run.p99),
        }
    }
}

fn load(server: &Server, body: MakeBody, round: usize) -> Run {
    let address = server.address;
    let each = REQUESTS / CONNECTIONS;
    let bodies: Vec<Vec<_>> = (0..CONNECTIONS)
        .map(|connection| {
            let first = (round * CONNECTIONS + connection) * each;
            (first..first + each)
                .map(|number| request(&body(number)))
                .collect()
        })
        .collect();
    let (cpu, start) = (server.processor_time(), Instant::now());
    let clients: Vec<_> = bodies
        .into_iter()
        .map(|requests| thread::spawn(move || send_all(address, &requests)))
        .collect();
    let mut times: Vec<_> = clients
        .into_iter()
        .flat_map(|client| client.join().unwrap())
        .collect();
    let took = start.elapsed();
    times.sort();
    let count = times.len() as f64;
    Run {
        rate: count / took.as_secs_f64(),
        cpu: (server.processor_time() - cpu).as_secs_f64() * 1e6 / count,
        p99: times[times.len() * 99 / 100].as_secs_f64() * 1e3,
    }
}

fn request(body: &str) -> Vec<u8> {
    format!(
        "POST {PATH} HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer any-key\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends requests over one connection, one after the other; returns the duration of
/// each.
fn send_all(address: SocketAddr, requests: &[Vec<u8>]) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut received = vec![0; 64 * 1024];
    requests
        .iter()
        .map(|request| {
            let start = Instant::now();
            stream.write_all(request).unwrap();
            let (mut length, mut whole) = (0, usize::MAX);
            while length < whole {
                let read = stream.read(&mut received[length..]).unwrap();
                assert!(read > 0, "the server closed the connection");
                length += read;
                if whole == usize::MAX {
                    whole = answer_length(&received[..length]).unwrap_or(usize::MAX);
                }
            }
            start.elapsed()
        })
        .collect()
}

/// The length of a response, once its head has arrived.
fn answer_length(received: &[u8]) -> Option<usize> {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&received[..end]).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.parse::<usize>().unwrap())
    });
    Some(end + length.expect("a content-length"))
}

/// Time from the start of the process to its first response, in milliseconds.
fn start_time() -> f64 {
    let mut times: Vec<_> = (0..20)
        .map(|_| {
            let start = Instant::now();
            let server = Server::mock();
            send_all(server.address, &[request(REQUEST)]);
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// A server process. Dropping it kills the process.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn mock() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kontext-mock"));
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.env_remove("KONTEXT_MOCK_KEY");
        Self::start(command)
    }

    fn baseline() -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.arg(BASELINE);
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        // Read the log, as a terminal or a file would.
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = child.stderr.take().unwrap();
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().rsplit('/').next().unwrap().parse().unwrap();
        Self { child, address }
    }

    fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split(' ').collect();
        let ticks: u64 = fields[12].parse::<u64>().unwrap() + fields[13].parse::<u64>().unwrap();
        // Linux counts 100 ticks per second.
        Duration::from_millis(ticks * 10)
    }

    /// Resident memory, in MiB.
    fn memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kilobytes / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn baseline_server() {
    let contract: Value = serde_json::from_str(include_str!("../contract.json")).unwrap();
    let operation = &contract["operations"][0];
    let mut schema = operation["request"]["content"]["application/json"].clone();
    schema["$defs"] = operation["$defs"].clone();
    let validator = jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap();
    let validator = std::sync::Arc::new(validator);
    let router = Router::new().route(
        PATH,
        post(
            async move |body: Bytes| match serde_json::from_slice(&body) {
                Ok(value) if validator.is_valid(&value) => (
                    StatusCode::OK,
                    [("content-type", "application/json")],
                    RESPONSE,
                ),
                _ => (
                    StatusCode::BAD_REQUEST,
                    [("content-type", "application/json")],
                    "{}",
                ),
            },
        ),
    );
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            println!(
                "axum listening on http://{}",
                listener.local_addr().unwrap()
            );
            axum::serve(listener, router).await.unwrap();
        });
}
