//! Numbers that are not the same twice, without a dependency.

use std::hash::{BuildHasher, RandomState};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of random numbers: for names and for delays, not for secrets.
///
/// The keys of std's hash maps come from the system's randomness, and its hash
/// function spreads a counter, the process and the time over all of 64 bits.
#[derive(Debug, Default)]
pub(crate) struct Random {
    high: RandomState,
    low: RandomState,
    counter: AtomicU64,
}

impl Random {
    /// 128 bits, which no other client draws too.
    pub(crate) fn bits(&self) -> u128 {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        // A process that was forked off has the same keys and the same count.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seed = (count, process::id(), now.unwrap_or_default());
        let (high, low) = (self.high.hash_one(seed), self.low.hash_one(seed));
        (u128::from(high) << 64) | u128::from(low)
    }

    /// A duration from nothing to `longest`, each as likely as the others.
    pub(crate) fn duration_up_to(&self, longest: Duration) -> Duration {
        // 53 bits are what a double holds.
        let bits = (self.bits() >> 75) as f64;
        longest.mul_f64(bits / (1_u64 << 53) as f64)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_number_comes_twice() {
        let numbers: HashSet<u128> = [Random::default(), Random::default()]
            .iter()
            .flat_map(|random| (0..1_000).map(|_| random.bits()))
            .collect();
        assert_eq!(numbers.len(), 2_000);
    }

    #[test]
    fn durations_fill_their_range() {
        let random = Random::default();
        let longest = Duration::from_secs(8);
        let drawn: Vec<_> = (0..1_000).map(|_| random.duration_up_to(longest)).collect();
        assert!(drawn.iter().all(|duration| *duration <= longest));
        assert!(drawn.iter().any(|duration| *duration < longest / 10));
        assert!(drawn.iter().any(|duration| *duration > longest * 9 / 10));
        assert_eq!(random.duration_up_to(Duration::ZERO), Duration::ZERO);
    }
}
