//! Support for one client in several runtimes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, sleep_until, timeout};

use crate::client::http_client::IDLE_CONNECTION;

/// How long a runtime may take to run an empty task before it counts as not running.
const PATIENCE: Duration = Duration::from_millis(100);

/// The runtimes that a client was used in.
///
/// A connection is driven by the runtime that opened it. If that runtime is not running, for
/// example between two `block_on`, a request on the connection is never sent, and times out
/// with an unknown outcome. So a call in another runtime first waits until the pool has
/// dropped the connections of such a runtime.
#[derive(Debug, Default)]
pub(crate) struct Runtimes(Mutex<Vec<Used>>);

/// A runtime and its calls in flight.
#[derive(Clone, Debug)]
struct Used {
    runtime: Handle,
    calls: usize,
    /// When a call last started or ended.
    last: Instant,
}

impl Used {
    /// When the pool has dropped all idle connections of this runtime.
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
    /// Starts a call in the current runtime.
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
                // The runtime has shut down, and its connections are closed.
                Ok(Err(_)) => self
                    .lock()
                    .retain(|used| used.runtime.id() != other.runtime.id()),
                Err(_) => sleep_until(other.end()).await,
            }
        }
        entered
    }

    /// Registers a call in the current runtime, and returns the other recently used runtimes.
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
        // A poisoned lock is fine: each entry is always valid.
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
