//! How much a batch has spent, and how much it may.

use crate::batch::BatchError;
use crate::client::call::Call;
use crate::response::answer::GeneratedImages;
use crate::types::GenerateImageRequest;

/// The account of a batch, in credits.
#[derive(Debug)]
pub(crate) struct CreditBudget {
    limit: Option<u64>,
    per_image: u64,
    /// How often a call may be charged, at least 1.
    charges_per_call: u64,
    spent: u64,
    reserved: u64,
}

impl CreditBudget {
    pub(crate) fn new(limit: Option<u64>, per_image: u64, charges_per_call: u64) -> Self {
        Self {
            limit,
            per_image,
            charges_per_call: charges_per_call.max(1),
            spent: 0,
            reserved: 0,
        }
    }

    /// What a request may cost.
    pub(crate) fn estimate(&self, request: &GenerateImageRequest) -> u64 {
        // Left out, the provider makes 1.
        let images = request.images().unwrap_or(1);
        images
            .saturating_mul(self.per_image)
            .saturating_mul(self.charges_per_call)
    }

    /// Sets credits aside, or says how many are left.
    pub(crate) fn reserve(&mut self, estimate: u64) -> Result<(), u64> {
        if let Some(limit) = self.limit {
            let left = limit.saturating_sub(self.spent.saturating_add(self.reserved));
            if estimate > left {
                return Err(left);
            }
        }
        self.reserved = self.reserved.saturating_add(estimate);
        Ok(())
    }

    /// Replaces what was set aside by what it cost.
    pub(crate) fn settle(&mut self, estimate: u64, cost: u64) {
        self.reserved = self.reserved.saturating_sub(estimate);
        self.spent = self.spent.saturating_add(cost);
    }

    /// What was spent, and what is set aside.
    pub(crate) fn state(&self) -> (u64, u64) {
        (self.spent, self.reserved)
    }

    /// What an answer cost: as it says, else the estimate, or more where it has more
    /// images than were asked for.
    pub(crate) fn cost_of_answer(&self, answer: &GeneratedImages, estimate: u64) -> u64 {
        let images = u64::try_from(answer.images().len()).unwrap_or(u64::MAX);
        let attempt = estimate / self.charges_per_call;
        let last = answer
            .credits_used()
            .unwrap_or_else(|| attempt.max(images.saturating_mul(self.per_image)));
        self.with_earlier(answer.call(), attempt, last)
    }

    /// What an error cost: as its answer says, else the estimate if it may have been
    /// charged.
    pub(crate) fn cost_of_error(&self, error: &BatchError, estimate: u64) -> u64 {
        let attempt = estimate / self.charges_per_call;
        let BatchError::Call(error) = error else {
            return match error.may_have_been_charged() {
                true => estimate,
                false => 0,
            };
        };
        let last = error
            .credits_used()
            .unwrap_or(match error.this_may_be_charged() {
                true => attempt,
                false => 0,
            });
        self.with_earlier(error.call(), attempt, last)
    }

    /// Adds what the attempts before the last one may have cost.
    fn with_earlier(&self, call: Option<&Call>, attempt: u64, last: u64) -> u64 {
        let earlier = match call {
            Some(call) if call.earlier_may_be_charged => u64::from(call.attempts) - 1,
            _ => 0,
        };
        attempt.saturating_mul(earlier).saturating_add(last)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_answer_costs_what_it_says_else_what_was_estimated() {
        let cost = |body: &str| {
            let answer = GeneratedImages::from_json(body).unwrap();
            CreditBudget::new(None, 100, 1).cost_of_answer(&answer, 200)
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
    fn what_is_under_way_counts() {
        let mut budget = CreditBudget::new(Some(300), 100, 1);
        assert_eq!(budget.reserve(200), Ok(()));
        assert_eq!(budget.reserve(101), Err(100));
        assert_eq!(budget.reserve(100), Ok(()));
        budget.settle(200, 50);
        assert_eq!(budget.state(), (50, 100));
        assert_eq!(budget.reserve(151), Err(150));
        // The provider may charge more than anybody thought.
        budget.settle(100, 1_000);
        assert_eq!(budget.reserve(1), Err(0));
        assert_eq!(budget.reserve(0), Ok(()));
        assert_eq!(CreditBudget::new(None, 100, 1).reserve(u64::MAX), Ok(()));
    }
}
