//! Redacts secrets from everything that is written to disk, compared or logged.

mod apply;
mod detect;
mod marker;
mod rules;
mod secret;

use std::borrow::Cow;

pub(crate) use detect::RedactionEntry;
#[cfg(feature = "record")]
pub(crate) use rules::FILE;
pub(crate) use rules::Redaction;
#[cfg(feature = "record")]
pub(crate) use secret::keeps_header;
pub(crate) use secret::{Secret, is_secret_header};

use self::detect::{RedactionLog, Rules};

impl Redaction {
    /// Redacts a JSON text; every byte outside a redacted value is kept. Text that is
    /// not JSON is handled as by `text`, but redacted entirely if a pointer could match
    /// in it.
    ///
    /// Redaction is idempotent. At most 1,000 entries are listed, followed by the
    /// number of further ones.
    pub(crate) fn json<'a>(
        &self,
        text: &'a str,
        secrets: &[Secret],
    ) -> (Cow<'a, str>, Vec<RedactionEntry>) {
        let rules = self.with(secrets);
        if !rules.can_change(text.as_bytes()) || marker::is_marker(text.as_bytes()) {
            return (text.into(), Vec::new());
        }
        let (redacted, log) = apply::json(rules, text);
        (redacted, log.into_list())
    }

    /// Redacts a text that is not JSON.
    pub(crate) fn text<'a>(
        &self,
        text: &'a str,
        secrets: &[Secret],
    ) -> (Cow<'a, str>, Vec<RedactionEntry>) {
        let mut log = RedactionLog::default();
        let Some((redacted, kinds)) = apply::string(self.with(secrets), text, false) else {
            return (text.into(), Vec::new());
        };
        log.add(&kinds, String::new);
        (redacted.into(), log.into_list())
    }

    /// Redacts a URL, or a path with a query; also returns the kinds of secrets found.
    pub(crate) fn url<'a>(&self, url: &'a str, secrets: &[Secret]) -> (Cow<'a, str>, Vec<String>) {
        match apply::string(self.with(secrets), url, true) {
            Some((redacted, kinds)) => {
                let what = kinds.iter().map(ToString::to_string);
                (redacted.into(), what.collect())
            }
            None => (url.into(), Vec::new()),
        }
    }

    /// Redacts the value of a header: all of it if the header is secret, otherwise as
    /// `text` does. The pointer is `/headers/<name>`, as in `recording.json`.
    #[cfg(feature = "record")]
    pub(crate) fn header<'a>(
        &self,
        name: &str,
        value: &'a str,
        secrets: &[Secret],
    ) -> (Cow<'a, str>, Vec<RedactionEntry>) {
        let pointer = format!("/headers/{}", name.replace('~', "~0"));
        if is_secret_header(name) && !marker::is_marker(value.as_bytes()) {
            let marker = self.marker.in_text(value.as_bytes());
            let what = "the value of a secret header".to_owned();
            return (marker.into(), vec![RedactionEntry { pointer, what }]);
        }
        let (redacted, mut entries) = self.text(value, secrets);
        for entry in &mut entries {
            entry.pointer.clone_from(&pointer);
        }
        (redacted, entries)
    }

    fn with<'a>(&'a self, secrets: &'a [Secret]) -> Rules<'a> {
        Rules {
            redaction: self,
            secrets,
            is_cut: false,
        }
    }
}

#[cfg(test)]
mod tests;
