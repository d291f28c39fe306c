//! Credits: what a client and its clones have spent, and their limit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::client::call::Call;
use crate::error::Error;
use crate::response::answer::GeneratedImages;
use crate::types::GenerateImageRequest;

/// The cost of the documented call per image, in credits.
pub(crate) const CREDITS_PER_IMAGE: u64 = 91_000;

/// The credits that a client and its clones have spent; 2,000,000 credits are 1 US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Credits {
    /// [`ClientBuilder::spend_limit`](crate::ClientBuilder::spend_limit), if it is set.
    pub limit: Option<u64>,
    /// Credits spent: the cost in each response, or else the estimate. Includes failed calls
    /// that may have been charged.
    pub spent: u64,
    /// The estimated cost of the calls in flight.
    pub reserved: u64,
}

/// The credit budget of a client.
#[derive(Debug)]
pub(crate) struct CreditBudget {
    per_image: u64,
    /// How many times a call may be charged, at least 1.
    charges_per_call: u64,
    credits: Mutex<Credits>,
}

impl CreditBudget {
    pub(crate) fn new(limit: Option<u64>, per_image: u64, charges_per_call: u64) -> Self {
        Self {
            per_image,
            charges_per_call: charges_per_call.max(1),
            credits: Mutex::new(Credits {
                limit,
                ..Credits::default()
            }),
        }
    }

    /// The maximum expected cost of a request.
    pub(crate) fn estimate(&self, request: &GenerateImageRequest) -> u64 {
        // The provider's default is 1.
        let images = request.images().unwrap_or(1);
        images
            .saturating_mul(self.per_image)
            .saturating_mul(self.charges_per_call)
    }

    /// Reserves credits, or returns how many are left.
    pub(crate) fn reserve(self: &Arc<Self>, estimate: u64) -> Result<Reservation, u64> {
        let mut credits = self.lock();
        if let Some(limit) = credits.limit {
            let left = limit.saturating_sub(credits.spent.saturating_add(credits.reserved));
            if estimate > left {
                return Err(left);
            }
        }
        credits.reserved = credits.reserved.saturating_add(estimate);
        Ok(Reservation {
            budget: Arc::clone(self),
            estimate,
            cost: 0,
        })
    }

    pub(crate) fn credits(&self) -> Credits {
        *self.lock()
    }

    /// The cost of a call with this estimate.
    pub(crate) fn cost(&self, result: Result<&GeneratedImages, &Error>, estimate: u64) -> u64 {
        match result {
            Ok(answer) => self.cost_of_answer(answer, estimate),
            Err(error) => self.cost_of_error(error, estimate),
        }
    }

    /// The cost in the response, or else the estimate, or more if there are more images than
    /// requested.
    fn cost_of_answer(&self, answer: &GeneratedImages, estimate: u64) -> u64 {
        let images = u64::try_from(answer.images().len()).unwrap_or(u64::MAX);
        let attempt = estimate / self.charges_per_call;
        let last = answer
            .credits_used()
            .unwrap_or_else(|| attempt.max(images.saturating_mul(self.per_image)));
        with_earlier(answer.call(), attempt, last)
    }

    /// The cost in the response of the error, or else the estimate if the call may have been
    /// charged.
    fn cost_of_error(&self, error: &Error, estimate: u64) -> u64 {
        let attempt = estimate / self.charges_per_call;
        let last = error
            .credits_used()
            .unwrap_or(match error.this_may_be_charged() {
                true => attempt,
                false => 0,
            });
        with_earlier(error.call(), attempt, last)
    }

    fn lock(&self) -> MutexGuard<'_, Credits> {
        // A poisoned lock is fine: the numbers stay consistent.
        self.credits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the possible cost of the attempts before the last one.
fn with_earlier(call: Option<&Call>, attempt: u64, last: u64) -> u64 {
    let earlier = match call {
        Some(call) if call.earlier_may_be_charged => u64::from(call.attempts) - 1,
        _ => 0,
    };
    attempt.saturating_mul(earlier).saturating_add(last)
}

/// Credits reserved for a call. Dropping it replaces the reservation with the cost.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<CreditBudget>,
    estimate: u64,
    cost: u64,
}

impl Reservation {
    /// An attempt starts: if the call is dropped now, its whole estimate counts as spent.
    pub(crate) fn attempt_begins(&mut self) {
        self.cost = self.estimate;
    }

    /// An attempt ended with this result, which may be the last one.
    pub(crate) fn attempt_ended(&mut self, result: Result<&GeneratedImages, &Error>) {
        self.cost = self.budget.cost(result, self.estimate);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut credits = self.budget.lock();
        credits.reserved = credits.reserved.saturating_sub(self.estimate);
        credits.spent = credits.spent.saturating_add(self.cost);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn cost_is_reported_cost_or_estimate() {
        let cost = |body: &str| {
            let answer = GeneratedImages::from_json(body).unwrap();
            CreditBudget::new(None, 100, 1).cost(Ok(&answer), 200)
        };
        assert_eq!(
            cost(r#"{"meta": {"usage": {"credits_used": 91000}}}"#),
            91_000
        );
        assert_eq!(cost(r#"{"meta": {"usage": {"credits_used": -5}}}"#), 200);
        assert_eq!(cost("{}"), 200);
        let image = |n: usize| format!("{{\"url\": \"https://example.com/{n}\"}}");
        let three = format!("{{\"images\": [{}, {}, {}]}}", image(1), image(2), image(3));
        assert_eq!(cost(&three), 300);
    }

    #[test]
    fn in_flight_calls_count_against_limit() {
        let budget = Arc::new(CreditBudget::new(Some(300), 100, 1));
        let reserve = |estimate| budget.reserve(estimate);
        let mut first = reserve(200).unwrap();
        assert_eq!(reserve(101).unwrap_err(), 100);
        let mut second = reserve(100).unwrap();
        first.cost = 50;
        drop(first);
        let Credits {
            spent, reserved, ..
        } = budget.credits();
        assert_eq!((spent, reserved), (50, 100));
        assert_eq!(reserve(151).unwrap_err(), 150);
        // The provider may charge more than the estimate.
        second.cost = 1_000;
        drop(second);
        assert_eq!(reserve(1).unwrap_err(), 0);
        drop(reserve(0).unwrap());
        let unlimited = Arc::new(CreditBudget::new(None, 100, 1));
        drop(unlimited.reserve(u64::MAX).unwrap());
    }
}
