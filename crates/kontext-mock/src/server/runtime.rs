//! The threads that all mocks of a process share.
//!
//! A runtime of its own per server would cost a test more than everything else
//! that a start does, and a hundred servers would be a hundred threads.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::Duration,
};

use tokio::runtime::{Builder, Handle, Runtime};

/// The runtime that runs now, if a server of this process does.
static SHARED: Mutex<Weak<SharedRuntime>> = Mutex::new(Weak::new());

/// How long a body that is being judged may hold up the end of the threads.
const GRACE: Duration = Duration::from_secs(1);

/// A runtime that ends with the last server that uses it.
#[derive(Debug)]
pub(super) struct SharedRuntime {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl SharedRuntime {
    /// The runtime of this process, started where none runs.
    pub(super) fn get() -> io::Result<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(thread::available_parallelism().map_or(1, |number| number.get().min(4)))
            .thread_name("kontext-mock")
            .enable_all()
            .build()?;
        let started = Arc::new(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        });
        *shared = Arc::downgrade(&started);
        Ok(started)
    }

    /// Where to spawn.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for SharedRuntime {
    /// Waits until the threads have ended. That happens on a thread of its own,
    /// because a caller inside another runtime must not wait for this one.
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        let ending = thread::Builder::new()
            .name("kontext-mock-end".to_owned())
            .spawn(move || runtime.shutdown_timeout(GRACE));
        // Where no thread can be started, the runtime was dropped with the
        // closure; there is nothing to wait for.
        if let Ok(ending) = ending {
            let _ = ending.join();
        }
    }
}
