//! One client in several runtimes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, sleep_until, timeout};

use crate::client::builder::IDLE_CONNECTION;

/// How long a runtime may take to run a task that does nothing.
const PATIENCE: Duration = Duration::from_millis(100);

/// The runtimes that a client was used in.
///
/// A connection is driven by the runtime that it was made in. Where that one waits for
/// somebody to `block_on` it again, a request on the connection is never sent, and after
/// its time-out nobody knows that. So a call in another runtime first waits until no
/// connection of such a runtime is used again.
#[derive(Debug, Default)]
pub(crate) struct Runtimes(Mutex<Vec<Used>>);

/// A runtime, and when a call last began or ended in it.
#[derive(Clone, Debug)]
struct Used {
    runtime: Handle,
    last: Instant,
}

/// A call that is under way in a runtime.
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
            // From then on the pool does not give out what was made there.
            let end = other.last + IDLE_CONNECTION + Duration::from_millis(100);
            if Instant::now() > end {
                continue;
            }
            match timeout(PATIENCE, other.runtime.spawn(async {})).await {
                Ok(Ok(())) => {}
                // It is gone, and its connections are.
                Ok(Err(_)) => self
                    .lock()
                    .retain(|used| used.runtime.id() != other.runtime.id()),
                Err(_) => sleep_until(end).await,
            }
        }
        entered
    }

    /// Notes the current runtime, and gives the others.
    fn others(&self, current: Handle) -> Vec<Used> {
        let mut all = self.lock();
        let id = current.id();
        match all.iter_mut().find(|used| used.runtime.id() == id) {
            Some(used) => used.last = Instant::now(),
            None => all.push(Used {
                runtime: current,
                last: Instant::now(),
            }),
        }
        let others = all.iter().filter(|used| used.runtime.id() != id);
        others.cloned().collect()
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
            used.last = Instant::now();
        }
    }
}
