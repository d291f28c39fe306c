//! What was taken out, as it is told.

use super::find::What;

/// How many things are told one by one; of more than these only the number is.
const LISTED: usize = 1000;

/// Something that was taken out of a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Taken {
    /// Where, as a JSON pointer; empty for a text that is no JSON.
    pub(crate) pointer: String,
    /// What, such as `the URL parameter X-Amz-Signature`; never the secret.
    pub(crate) what: String,
}

/// A list of it that stays short.
#[derive(Debug, Default)]
pub(super) struct Takings {
    listed: Vec<Taken>,
    more: usize,
}

impl Takings {
    pub(super) fn push(&mut self, taken: Taken) {
        if self.listed.len() < LISTED {
            self.listed.push(taken);
        } else {
            self.more += 1;
        }
    }

    /// Adds what was taken out of one string.
    pub(super) fn add(&mut self, what: Vec<What>, pointer: impl Fn() -> String) {
        let rest = LISTED.saturating_sub(self.listed.len());
        self.more += what.len().saturating_sub(rest);
        if rest == 0 {
            return;
        }
        let pointer = pointer();
        let told = what.into_iter().take(rest);
        self.listed.extend(told.map(|what| Taken {
            pointer: pointer.clone(),
            what: what.to_string(),
        }));
    }

    pub(super) fn extend(&mut self, others: Self) {
        self.more += others.more;
        for taken in others.listed {
            self.push(taken);
        }
    }

    pub(super) fn into_list(mut self) -> Vec<Taken> {
        if self.more > 0 {
            self.listed.push(Taken {
                pointer: String::new(),
                what: format!("{} more", self.more),
            });
        }
        self.listed
    }
}
