//! A word that ends waiting, from wherever it is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Says, once and for all of its clones, that no more is to be sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_said: AtomicBool,
    saying: Notify,
}

impl Stop {
    pub(crate) fn say(&self) {
        self.0.is_said.store(true, Ordering::SeqCst);
        self.0.saying.notify_waiters();
    }

    pub(crate) fn is_said(&self) -> bool {
        self.0.is_said.load(Ordering::SeqCst)
    }

    /// Waits until somebody says it.
    pub(crate) async fn said(&self) {
        let saying = self.0.saying.notified();
        // Whoever says it after this look is heard.
        if !self.is_said() {
            saying.await;
        }
    }
}
