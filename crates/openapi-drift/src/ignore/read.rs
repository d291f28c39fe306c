//! Parses ignore files.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{Entry, IgnoreError, IgnoreFile, Target};
use crate::{
    document::{Id, NoTree, Position, ROOT, Tree},
    rules::rule,
};

const SHAPE: &str = "expected {\"format\": 1, \"ignore\": [{\"fingerprint\": \"…\", \"reason\": \"…\", \
                     \"expires\": \"2026-12-31\"}]}; instead of \"fingerprint\", \"rule\" and \"path\"";

pub(super) fn read(name: String, text: &str) -> Result<IgnoreFile, IgnoreError> {
    let tree = Tree::parse(text).map_err(|NoTree { position, message }| IgnoreError {
        file: name.clone(),
        pointer: String::new(),
        position,
        message,
        help: "repair the text there".to_owned(),
    })?;
    let reader = Reader { tree, name };
    let entries = reader.entries()?;
    Ok(IgnoreFile {
        name: reader.name,
        entries,
    })
}

struct Reader {
    tree: Tree,
    name: String,
}

impl Reader {
    fn error(&self, at: Id, message: impl Into<String>, help: impl Into<String>) -> IgnoreError {
        IgnoreError {
            file: self.name.clone(),
            pointer: self.tree.pointer(at),
            position: self.tree.position(at),
            message: message.into(),
            help: help.into(),
        }
    }

    fn entries(&self) -> Result<Vec<Entry>, IgnoreError> {
        self.known(ROOT, &["format", "ignore"])?;
        let (format, ignore) = (self.needed(ROOT, "format")?, self.needed(ROOT, "ignore")?);
        let version = self.tree.canonical_text(format);
        if version != "1" {
            let help = "write \"format\": 1; a later format needs a later version of this tool";
            return Err(self.error(format, format!("unknown format {version}"), help));
        }
        let Some(items) = self.tree.array(ignore) else {
            return Err(self.error(ignore, "not an array", SHAPE));
        };
        let mut seen: BTreeMap<Target, Position> = BTreeMap::new();
        let mut entries = Vec::with_capacity(items.len());
        for item in items {
            let entry = self.entry(*item)?;
            if let Some(first) = seen.insert(entry.target.clone(), entry.position) {
                let message = format!("line {} has the {} already", first.line, entry.target);
                return Err(self.error(*item, message, "delete one of the two entries"));
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    fn entry(&self, item: Id) -> Result<Entry, IgnoreError> {
        self.known(item, &["fingerprint", "rule", "path", "reason", "expires"])?;
        let has = |name| self.tree.get(item, name).is_some();
        let target = match (has("fingerprint"), has("rule") || has("path")) {
            (true, true) => {
                let message = "both a fingerprint and a rule or path";
                return Err(self.error(item, message, "keep the fingerprint, or rule and path"));
            }
            (_, false) => {
                let text = self.text(item, "fingerprint", "copy it from the finding")?;
                Target::Fingerprint(text.to_owned())
            }
            (false, true) => {
                let name = self.text(item, "rule", "copy it from the finding")?;
                let rule = rule(name).ok_or_else(|| {
                    let at = self.tree.get(item, "rule").unwrap_or(item);
                    let help = "`cargo xtask drift --rules` lists all rules";
                    self.error(at, format!("unknown rule {name:?}"), help)
                })?;
                let help = "write an operation (\"POST /images\"), a path (\"/images\") or a JSON \
                            pointer, which covers everything below it";
                let (rule, path) = (rule.id, self.text(item, "path", help)?.to_owned());
                Target::Place { rule, path }
            }
        };
        let help = "say why nobody breaks, or who takes care of it";
        Ok(Entry {
            target,
            reason: self.text(item, "reason", help)?.to_owned(),
            expires: has("expires").then(|| self.day(item)).transpose()?,
            position: self.tree.position(item),
        })
    }

    /// The last day of an entry. Only `YYYY-MM-DD` is accepted.
    fn day(&self, item: Id) -> Result<Date, IgnoreError> {
        let help = "write the last day on which the finding is ignored, as in 2026-12-31";
        let text = self.text(item, "expires", help)?;
        match text.parse::<Date>() {
            Ok(day) if day.to_string() == text => Ok(day),
            _ => {
                let at = self.tree.get(item, "expires").unwrap_or(item);
                Err(self.error(at, format!("{text:?} is not a date"), help))
            }
        }
    }

    /// A member that is a non-blank string.
    fn text(&self, item: Id, name: &str, help: &str) -> Result<&str, IgnoreError> {
        let at = self.needed(item, name)?;
        match self.tree.string(at) {
            None => Err(self.error(at, "not a string", help)),
            Some(text) if text.trim().is_empty() => Err(self.error(at, "empty", help)),
            Some(text) => Ok(text),
        }
    }

    fn needed(&self, at: Id, name: &str) -> Result<Id, IgnoreError> {
        let member = self.tree.get(at, name);
        member.ok_or_else(|| self.error(at, format!("no member {name:?}"), SHAPE))
    }

    /// Fails if the node is not an object or has unknown members.
    fn known(&self, at: Id, names: &[&str]) -> Result<(), IgnoreError> {
        let Some(members) = self.tree.object(at) else {
            return Err(self.error(at, "not an object", SHAPE));
        };
        for (name, member) in members {
            if !names.contains(&&**name) {
                let help = format!("delete or correct it; known are {}", names.join(", "));
                return Err(self.error(*member, format!("unknown member {name:?}"), help));
            }
        }
        Ok(())
    }
}
