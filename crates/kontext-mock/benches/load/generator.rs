//! Load: keep-alive connections with one request in flight on each, all on one
//! thread, so that the generator takes at most one processor.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    net::TcpStream,
    time::timeout,
};

use crate::{
    Result, exchange,
    statistics::percentile,
    system,
    template::{self, Template},
};

/// How many connections a load has.
pub(crate) const CONNECTIONS: usize = 32;

/// After how long a load that does not come to its end is given up.
const PATIENCE: Duration = Duration::from_secs(300);

/// Numbers are counted up over the whole run, so that no body comes twice.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// What a load came to. Times are in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) requests_per_second: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Which share of the time the generator's thread was running.
    pub(crate) busy: Option<f64>,
}

/// Sends so many requests, and fails if one answer is not as it has to be.
pub(crate) fn run(address: SocketAddr, template: &Template, requests: u64) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        timeout(PATIENCE, load(address, template, requests))
            .await
            .map_err(|_| "the load did not end within 5 minutes")?
    })
}

async fn load(address: SocketAddr, template: &Template, requests: u64) -> Result<Outcome> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        connections.push(stream);
    }
    let left = Arc::new(AtomicU64::new(requests));
    let busy_before = system::thread_time();
    let start = Instant::now();
    let mut tasks = Vec::new();
    for stream in connections {
        let (bytes, place) = template.bytes(address)?;
        let connection = Connection {
            stream,
            bytes,
            place,
            numbers: template.numbers,
            status: template.status,
            buffer: vec![0; 16 * 1024],
            left: left.clone(),
            times: Vec::new(),
        };
        tasks.push(tokio::spawn(connection.run()));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.append(&mut task.await??);
    }
    let elapsed = start.elapsed();
    let busy = system::thread_time()
        .zip(busy_before)
        .map(|(after, before)| (after - before).as_secs_f64() / elapsed.as_secs_f64());
    times.sort_unstable();
    let microseconds = |share| percentile(&times, share).as_secs_f64() * 1e6;
    Ok(Outcome {
        requests_per_second: times.len() as f64 / elapsed.as_secs_f64(),
        p50: microseconds(0.50),
        p99: microseconds(0.99),
        busy,
    })
}

struct Connection {
    stream: TcpStream,
    bytes: Vec<u8>,
    place: Option<std::ops::Range<usize>>,
    numbers: u64,
    status: u16,
    buffer: Vec<u8>,
    left: Arc<AtomicU64>,
    times: Vec<Duration>,
}

impl Connection {
    async fn run(mut self) -> Result<Vec<Duration>> {
        while self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok()
        {
            if let Some(place) = self.place.clone() {
                let number = NUMBER.fetch_add(1, Ordering::Relaxed) % self.numbers;
                if let Some(target) = self.bytes.get_mut(place) {
                    target.copy_from_slice(template::digits(number).as_bytes());
                }
            }
            let start = Instant::now();
            self.write().await?;
            self.read().await?;
            self.times.push(start.elapsed());
        }
        Ok(self.times)
    }

    async fn write(&mut self) -> Result<()> {
        let mut rest = self.bytes.as_slice();
        while !rest.is_empty() {
            let stream = &mut self.stream;
            let written =
                poll_fn(|context| Pin::new(&mut *stream).poll_write(context, rest)).await?;
            rest = rest.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<()> {
        let mut received = 0;
        loop {
            let stream = &mut self.stream;
            let mut buffer = ReadBuf::new(self.buffer.get_mut(received..).unwrap_or_default());
            poll_fn(|context| Pin::new(&mut *stream).poll_read(context, &mut buffer)).await?;
            let length = buffer.filled().len();
            if length == 0 {
                return Err("the server ended a connection in the middle of a load".into());
            }
            received += length;
            let bytes = self.buffer.get(..received).unwrap_or_default();
            let Some(head) = exchange::head(bytes)? else {
                continue;
            };
            if received < head.length + head.body {
                continue;
            }
            if head.status != self.status {
                return Err(format!(
                    "expected status {}, received {}",
                    self.status,
                    String::from_utf8_lossy(bytes)
                )
                .into());
            }
            return Ok(());
        }
    }
}
