//! A local server with one fixed response.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How the end of the body is marked.
#[derive(Clone, Copy)]
pub(crate) enum Framing {
    Length,
    #[allow(dead_code, reason = "of one of the benchmarks alone")]
    Chunked,
}

/// Starts the server on its own thread. Returns its origin.
pub(crate) fn answering(body: Vec<u8>, framing: Framing) -> String {
    let (header, body) = match framing {
        Framing::Length => (format!("content-length: {}", body.len()), body),
        Framing::Chunked => ("transfer-encoding: chunked".to_owned(), chunks(&body)),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-inference-id: inf-7\r\n\
         x-aimlapi-credits-used: 91000\r\n{header}\r\n\r\n"
    );
    let mut answer = head.into_bytes();
    answer.extend_from_slice(&body);
    drop(body);
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let answer: &'static [u8] = answer.leak();
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, answer));
            }
        });
    });
    origin
}

/// A chunked body with chunks of 16 KiB.
fn chunks(body: &[u8]) -> Vec<u8> {
    let mut chunks = Vec::new();
    for chunk in body.chunks(16 * 1024) {
        chunks.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunks.extend_from_slice(chunk);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    chunks
}

async fn serve(mut stream: TcpStream, answer: &'static [u8]) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 16 * 1024];
    let mut received = 0;
    loop {
        let Ok(count @ 1..) = stream.read(&mut buffer[received..]).await else {
            return;
        };
        received += count;
        if is_whole(&buffer[..received]) {
            received = 0;
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

/// Whether the request has its head and as many body bytes as it announces.
fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&request[..end]);
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok())?
    });
    request.len() >= end + 4 + length.unwrap_or(0)
}
