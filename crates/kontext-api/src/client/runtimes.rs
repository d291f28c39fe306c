//! One client in several runtimes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, sleep_until, timeout};

use crate::client::http_client::IDLE_CONNECTION;

/// How long a runtime may take to run a task that does nothing.
const PATIENCE: Duration = Duration::from_millis(100);

/// The runtimes that a client was used in.
///
/// A connection is driven by the runtime that it was made in. Where that one waits for
/// somebody to `block_on` it again, a request on the connection is never sent, and after
/// its timeout nobody knows that. So a call in another runtime first waits until no
/// connection of such a runtime is used again.
#[derive(Debug, Default)]
pub(crate) struct Runtimes(Mutex<Vec<Used>>);

/// A runtime with the calls in flight in it.
#[derive(Clone, Debug)]
struct Used {
    runtime: Handle,
    calls: usize,
    /// When a call last began or ended.
    last: Instant,
}

impl Used {
    /// From then on the pool gives out no connection that was made here.
    fn end(&self) -> Instant {
        self.last + IDLE_CONNECTION + Duration::from_millis(100)
    }
}

/// A call in flight in a runtime.
#[derive(Debug)]
pub(crate) struct InRuntime<'a> {
    runtimes: &'a Runtimes,
    id: Id,
}

impl Runtimes {
    /// Begins a call in the current runtime.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub(crate) async fn enter(&self) -> InRuntime<'_> {
        let current = Handle::current();
        let entered = InRuntime {
            runtimes: self,
            id: current.id(),
        };
        for other in self.others(current) {
            match timeout(PATIENCE, other.runtime.spawn(async {})).await {
                Ok(Ok(())) => {}
                // It is gone, and its connections are.
                Ok(Err(_)) => self
                    .lock()
                    .retain(|used| used.runtime.id() != other.runtime.id()),
                Err(_) => sleep_until(other.end()).await,
            }
        }
        entered
    }

    /// Notes a call in the current runtime, and gives the others that were used lately.
    fn others(&self, current: Handle) -> Vec<Used> {
        let mut all = self.lock();
        let (id, now) = (current.id(), Instant::now());
        all.retain(|used| used.calls > 0 || used.end() > now);
        match all.iter_mut().find(|used| used.runtime.id() == id) {
            Some(used) => {
                used.calls += 1;
                used.last = now;
            }
            None => all.push(Used {
                runtime: current,
                calls: 1,
                last: now,
            }),
        }
        let others = all.iter().filter(|used| used.runtime.id() != id);
        others.filter(|used| used.end() > now).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Used>> {
        // Each entry is whole whatever happened to the thread that held it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InRuntime<'_> {
    fn drop(&mut self) {
        let mut all = self.runtimes.lock();
        if let Some(used) = all.iter_mut().find(|used| used.runtime.id() == self.id) {
            used.calls = used.calls.saturating_sub(1);
            used.last = Instant::now();
        }
    }
}
