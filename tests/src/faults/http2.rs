//! HTTP/2 failures, frame by frame.
//!
//! The frames are written by hand: libraries don't let a server deny having seen a stream
//! that it has just read.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::seen::Notes;

/// How an HTTP/2 server fails after it has read a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http2Fault {
    /// `RST_STREAM` with `REFUSED_STREAM`: the request was not processed.
    RefuseStream,
    /// `RST_STREAM` with `INTERNAL_ERROR`.
    BreakStream,
    /// `GOAWAY` with `NO_ERROR`, then close. It says that no stream was seen.
    GoAwayUnseen,
    /// `GOAWAY` with `NO_ERROR`, then close. It says that the stream was seen.
    GoAwaySeen,
}

/// The client's connection preface.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The length of a frame header, in bytes.
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u32]) -> Vec<u8> {
    let payload: Vec<u8> = payload.iter().flat_map(|word| word.to_be_bytes()).collect();
    // At most eight bytes.
    let mut frame = vec![0, 0, payload.len() as u8, kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(&payload);
    frame
}

/// Reads requests and fails each of them, until the client disconnects.
pub(super) async fn serve(
    stream: &mut TcpStream,
    fault: &Http2Fault,
    notes: &Notes,
) -> io::Result<()> {
    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface).await?;
    if preface != PREFACE {
        notes.stray(&preface);
        return Ok(());
    }
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    let mut open: Vec<(u32, usize)> = Vec::new();
    loop {
        let mut bytes = vec![0; HEAD];
        if let Err(error) = stream.read_exact(&mut bytes).await {
            return match error.kind() {
                io::ErrorKind::UnexpectedEof => Ok(()),
                _ => Err(error),
            };
        }
        let [high, middle, low, kind, flags, id @ ..] = &bytes[..] else {
            return Ok(());
        };
        let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        let (kind, flags) = (*kind, *flags);
        let id = id.iter().fold(0, |id, byte| (id << 8) | u32::from(*byte));
        bytes.resize(HEAD + length, 0);
        stream.read_exact(&mut bytes[HEAD..]).await?;
        match kind {
            SETTINGS if flags & ACK == 0 => {
                stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await?;
            }
            HEADERS => open.push((id, notes.began(method(&bytes[HEAD..]), &bytes))),
            DATA => {
                for (_, number) in open.iter().filter(|(opened, _)| *opened == id) {
                    notes.change(*number, |noted| noted.bytes.extend_from_slice(&bytes));
                }
            }
            _ => notes.stray(&bytes),
        }
        let is_end = matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0;
        if let Some((_, number)) = open.iter().find(|(opened, _)| *opened == id && is_end) {
            notes.change(*number, |noted| noted.is_whole = true);
            fail(stream, fault, id).await?;
        }
    }
}

async fn fail(stream: &mut TcpStream, fault: &Http2Fault, id: u32) -> io::Result<()> {
    let bytes = match fault {
        Http2Fault::RefuseStream => frame(RST_STREAM, 0, id, &[REFUSED_STREAM]),
        Http2Fault::BreakStream => frame(RST_STREAM, 0, id, &[INTERNAL_ERROR]),
        Http2Fault::GoAwayUnseen => frame(GOAWAY, 0, 0, &[0, NO_ERROR]),
        Http2Fault::GoAwaySeen => frame(GOAWAY, 0, 0, &[id, NO_ERROR]),
    };
    stream.write_all(&bytes).await?;
    match fault {
        Http2Fault::RefuseStream | Http2Fault::BreakStream => Ok(()),
        Http2Fault::GoAwayUnseen | Http2Fault::GoAwaySeen => stream.shutdown().await,
    }
}

/// The method in a header block: the first field, an index into the static table.
fn method(block: &[u8]) -> String {
    match block.first() {
        Some(0x82) => "GET".to_owned(),
        Some(0x83) => "POST".to_owned(),
        first => format!("{first:?}"),
    }
}
