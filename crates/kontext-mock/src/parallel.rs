//! Does the same to many things on all processors: folders can hold ten thousand
//! recordings, and a mock is to be up within a second.

use std::{panic, thread};

/// Fewer things are done sooner than threads are started.
const MANY: usize = 200;

/// Calls a function for each item; the results are in the order of the items.
pub(crate) fn map<T: Sync, R: Send>(items: &[T], call: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    if items.len() < MANY || threads == 1 {
        return items.iter().map(call).collect();
    }
    thread::scope(|scope| {
        let call = &call;
        let parts: Vec<_> = items
            .chunks(items.len().div_ceil(threads))
            .map(|part| scope.spawn(move || part.iter().map(call).collect::<Vec<_>>()))
            .collect();
        let mut results = Vec::with_capacity(items.len());
        for part in parts {
            match part.join() {
                Ok(done) => results.extend(done),
                Err(panic) => panic::resume_unwind(panic),
            }
        }
        results
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stay_in_order() {
        for count in [0, 1, MANY - 1, MANY, MANY * 5 + 3] {
            let items: Vec<_> = (0..count).collect();
            let doubled: Vec<_> = (0..count).map(|item| item * 2).collect();
            assert_eq!(map(&items, |item| item * 2), doubled);
        }
    }
}
