//! What a run spent, and what it would have spent.

use std::fmt;

/// How many credits a US dollar is.
const CREDITS_PER_DOLLAR: f64 = 2_000_000.0;

/// What a run spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) credits: u64,
    /// Whether an answer did not say what it cost, or there was none.
    pub(crate) is_estimated: bool,
}

/// On one line.
impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // More than a double can count is more than anybody has.
        let dollars = self.credits as f64 / CREDITS_PER_DOLLAR;
        write!(
            f,
            "spent in this run: {} credits, {dollars:.4} US dollars",
            self.credits
        )?;
        match self.is_estimated {
            true => f.write_str(" (with estimates: not every cost is known)"),
            false => Ok(()),
        }
    }
}

/// The jobs that did not fit a limit.
#[derive(Debug, Default)]
pub(crate) struct Unfit {
    count: usize,
    /// Those that are too large for the whole limit: their ids and estimates.
    never: Vec<(String, u64)>,
}

impl Unfit {
    pub(crate) fn add(&mut self, id: &str, estimate: u64, limit: u64) {
        self.count += 1;
        if estimate > limit {
            self.never.push((id.to_owned(), estimate));
        }
    }

    /// All of them in a line, if there are any.
    pub(crate) fn text(&self, limit: u64) -> Option<String> {
        const SHOWN: usize = 5;
        let jobs = |count| match count {
            1 => "1 job".to_owned(),
            _ => format!("{count} jobs"),
        };
        if self.count == 0 {
            return None;
        }
        let mut text = format!("--spend-limit {limit}: {} did not fit", jobs(self.count));
        if !self.never.is_empty() {
            let shown = self.never.iter().take(SHOWN);
            let shown: Vec<_> = shown.map(|(id, cost)| format!("{id} ({cost})")).collect();
            let more = match self.never.len() - shown.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            text.push_str(&format!(
                "; {} can never fit, with an estimate above the limit: {}{more}",
                jobs(self.never.len()),
                shown.join(", ")
            ));
        }
        Some(text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn jobs_that_do_not_fit_are_one_line() {
        let mut unfit = Unfit::default();
        assert_eq!(unfit.text(100), None);
        unfit.add("a", 100, 100);
        assert_eq!(
            unfit.text(100).unwrap(),
            "--spend-limit 100: 1 job did not fit"
        );
        for id in ["b", "c", "d", "e", "f", "g"] {
            unfit.add(id, 101, 100);
        }
        assert_eq!(
            unfit.text(100).unwrap(),
            "--spend-limit 100: 7 jobs did not fit; 6 jobs can never fit, with an estimate above \
             the limit: b (101), c (101), d (101), e (101), f (101) and 1 more"
        );
    }
}
