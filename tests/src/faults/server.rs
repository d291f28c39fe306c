//! The server: accepts connections and plays the script.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::http2;
use super::request::{is_whole, method};
use super::script::{Answer, Script, Step, Then};
use super::seen::{Notes, Seen};

/// The length of the accept queue.
const BACKLOG: u32 = 64;
/// The size of a read buffer, in bytes.
const PIECE: usize = 64 * 1024;

/// A reserved port. A script can name its URL before the server starts.
#[derive(Debug)]
pub struct Address {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Address {
    /// Reserves a free port of 127.0.0.1. Connections are refused until a script is played.
    ///
    /// # Errors
    ///
    /// No free port.
    pub fn take() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// The origin, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Starts a server that plays the script, as a task on the current runtime.
    ///
    /// # Errors
    ///
    /// The socket can't listen.
    pub fn play(self, script: Script) -> io::Result<FaultServer> {
        let url = self.url();
        let notes = Notes::new();
        let (task, refusing) = match script {
            Script::Refuse => (None, Some(self.socket)),
            script => {
                let listener = self.socket.listen(BACKLOG)?;
                let player = Arc::new(Player {
                    script,
                    next: AtomicUsize::new(0),
                    notes: notes.clone(),
                });
                (Some(tokio::spawn(player.listen(listener))), None)
            }
        };
        Ok(FaultServer {
            url,
            notes,
            task,
            _refusing: refusing,
        })
    }
}

/// A running server. Dropping it closes its port and all of its connections.
#[derive(Debug)]
pub struct FaultServer {
    url: String,
    notes: Notes,
    task: Option<JoinHandle<()>>,
    /// Holds the port, so that no other process listens on it.
    _refusing: Option<TcpSocket>,
}

impl FaultServer {
    /// Reserves a port and plays a script on it.
    ///
    /// # Errors
    ///
    /// No free port.
    pub fn start(script: Script) -> io::Result<Self> {
        Address::take()?.play(script)
    }

    /// The origin, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the server has received so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.notes.watch().borrow().clone()
    }

    /// Waits until the condition holds. There is no timeout.
    pub async fn until(&self, condition: impl FnMut(&Seen) -> bool) -> Seen {
        // Fails only if the sender is gone, and `self` holds it.
        let _ = self.notes.watch().wait_for(condition).await;
        self.seen()
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// A script being played.
struct Player {
    script: Script,
    next: AtomicUsize,
    notes: Notes,
}

impl Player {
    async fn listen(self: Arc<Self>, listener: TcpListener) {
        // Dropped with this task, which aborts all connections.
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            self.notes.connected();
            connections.spawn(Arc::clone(&self).serve(stream));
        }
    }

    /// Serves one connection until it closes or breaks.
    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let served = match &self.script {
            Script::Refuse => Ok(()),
            Script::Http2(fault) => http2::serve(&mut stream, fault, &self.notes).await,
            Script::Steps(steps) => self.requests(stream, steps).await,
        };
        // A reset by the client counts as hanging up.
        let _ = served;
        self.notes.ended();
    }

    async fn requests(&self, mut stream: TcpStream, steps: &[Step]) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            // Take a step only once a request has arrived: the client may send its next one
            // on another connection.
            let length = stream.peek(&mut piece).await?;
            if length == 0 {
                return Ok(());
            }
            let next = self.next.fetch_add(1, Ordering::SeqCst);
            let Some(step) = steps.get(next).or(steps.last()) else {
                return Ok(());
            };
            let first = &piece[..length];
            let number = self.notes.began(method(first), first);
            if step.reads && !self.read(&mut stream, number).await? {
                return Ok(());
            }
            self.answer(&mut stream, number, &step.answer).await;
            match step.then {
                Then::KeepOpen => {}
                Then::Reset => {
                    stream.set_zero_linger()?;
                    return Ok(());
                }
                Then::Close => {
                    stream.shutdown().await?;
                    return self.drain(&mut stream).await;
                }
                Then::Hold => return self.drain(&mut stream).await,
            }
        }
    }

    /// Reads one request. `false` if the connection ends first.
    async fn read(&self, stream: &mut TcpStream, number: usize) -> io::Result<bool> {
        let mut request = Vec::new();
        while !is_whole(&request) {
            if stream.read_buf(&mut request).await? == 0 {
                return Ok(false);
            }
            self.notes
                .change(number, |noted| noted.bytes.clone_from(&request));
        }
        self.notes.change(number, |noted| noted.is_whole = true);
        Ok(true)
    }

    async fn answer(&self, stream: &mut TcpStream, number: usize, answer: &Answer) {
        let bytes = match answer {
            Answer::Bytes(bytes) => bytes.clone(),
            Answer::Response(response) => {
                let answered = Some(response.clone());
                // Recorded before the client can receive it.
                self.notes.change(number, |noted| noted.answered = answered);
                response.bytes()
            }
        };
        // The client may hang up midway; the script says what was sent.
        let _ = stream.write_all(&bytes).await;
    }

    /// Reads until the client disconnects.
    async fn drain(&self, stream: &mut TcpStream) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            match stream.read(&mut piece).await? {
                0 => return Ok(()),
                length => self.notes.stray(&piece[..length]),
            }
        }
    }
}
