//! What the provider would have billed.

use serde::Serialize;
use serde_json::Value;
use std::ops::AddAssign;

/// The price of an image in credits, taken from one documented call.
pub(crate) const CREDITS_PER_IMAGE: u64 = 91_000;

/// How many credits are one US dollar.
const CREDITS_PER_USD: f64 = 2_000_000.0;

/// What the provider would have billed for the requests that a mock carried out. Every
/// response with images is charged, whether or not it reached the client; no other
/// response is ("Failed requests are never charged").
///
/// The cost of a response is what the recording states (`meta.usage.credits_used` or
/// `tokens_used`, or the header `x-aimlapi-credits-used`), otherwise 91,000 credits per
/// image, the price in one documented call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Billed {
    /// The number of charged requests.
    pub generations: u64,
    /// The number of generated images.
    pub images: u64,
    /// The cost in credits; 2,000,000 credits are one US dollar.
    pub credits: u64,
}

impl Billed {
    /// The cost in US dollars.
    #[must_use]
    pub fn usd(&self) -> f64 {
        usd(self.credits)
    }

    /// The charge for a number of images at the documented price.
    pub(crate) fn images(images: u64) -> Self {
        Self {
            generations: 1,
            images,
            credits: images.saturating_mul(CREDITS_PER_IMAGE),
        }
    }

    /// The charge for a recorded response; zero if it has no images.
    pub(crate) fn of_answer(body: &[u8], credits_header: Option<&str>) -> Self {
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return Self::default();
        };
        let count = |name: &str| body.get(name).and_then(Value::as_array).map_or(0, Vec::len);
        // If both lists are present, they hold the same images.
        let images = count("images").max(count("data")) as u64;
        if images == 0 {
            return Self::default();
        }
        let stated = body
            .pointer("/meta/usage/credits_used")
            .or_else(|| body.pointer("/meta/usage/tokens_used"))
            .and_then(Value::as_u64)
            .or_else(|| credits_header?.parse().ok());
        Self {
            credits: stated.unwrap_or(images * CREDITS_PER_IMAGE),
            ..Self::images(images)
        }
    }
}

impl AddAssign for Billed {
    fn add_assign(&mut self, other: Self) {
        self.generations += other.generations;
        self.images = self.images.saturating_add(other.images);
        self.credits = self.credits.saturating_add(other.credits);
    }
}

/// Converts credits to US dollars.
pub(crate) fn usd(credits: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "credits are counted in thousands, a double is exact to 2^53"
    )]
    let credits = credits as f64;
    credits / CREDITS_PER_USD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_in_both_lists_are_billed_once() {
        let charge = |body: &str, header| Billed::of_answer(body.as_bytes(), header);
        assert_eq!(charge(r#"{"images":[{},{}]}"#, None), Billed::images(2));
        assert_eq!(charge(r#"{"data":[{}]}"#, None), Billed::images(1));
        let both = charge(r#"{"images":[{}],"data":[{}]}"#, None);
        assert_eq!(both, Billed::images(1));
        for nothing in ["", "{}", "[]", r#"{"images":[]}"#, r#"{"message":"no"}"#] {
            assert_eq!(charge(nothing, Some("91000")), Billed::default());
        }
    }

    #[test]
    fn stated_cost_is_billed() {
        let stated = r#"{"data":[{}],"meta":{"usage":{"credits_used":5}}}"#;
        assert_eq!(Billed::of_answer(stated.as_bytes(), Some("7")).credits, 5);
        let header = Billed::of_answer(br#"{"data":[{}]}"#, Some("7"));
        assert_eq!(header.credits, 7);
        assert!((Billed::images(1).usd() - 0.0455).abs() < 1e-12);
    }
}
