//! The redaction rules of a folder, as they are on disk.

use std::{fs, io, path::Path, sync::Arc};

use crate::{
    error::RecordError,
    recorder::staging::{Lock, Staging},
    redaction::{self, Redaction},
};

/// The redaction rules that a recorder adds to those of a folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) patterns: Vec<String>,
    pub(crate) pointers: Vec<String>,
}

/// The redaction rules of a folder.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The contents of the file, if it exists.
    text: Option<Vec<u8>>,
    /// The recorder's own rules, in addition to those of the file.
    wanted: Wanted,
    redaction: Arc<Redaction>,
}

impl Rules {
    /// Reads the rules of a folder.
    pub(crate) fn read(root: &Path) -> Result<Self, RecordError> {
        let text = text(root)?;
        let redaction = match &text {
            Some(text) => parse(root, text)?,
            None => Redaction::default(),
        };
        Ok(Self {
            text,
            wanted: Wanted::default(),
            redaction: Arc::new(redaction),
        })
    }

    /// Reloads the rules if their file has changed: another recorder may have written
    /// it.
    pub(crate) fn refresh(&mut self, root: &Path) -> Result<(), RecordError> {
        let now = text(root)?;
        if now == self.text {
            return Ok(());
        }
        if let Some(text) = &now {
            // Keep this recorder's rules, whatever others write.
            let redaction = added(parse(root, text)?, &self.wanted)?;
            self.redaction = Arc::new(redaction);
        }
        // If the file was deleted, keep its key: this recorder has used it, and writes
        // it again with the next recording.
        self.text = now;
        Ok(())
    }

    pub(crate) fn redaction(&self) -> Arc<Redaction> {
        self.redaction.clone()
    }

    /// Whether the folder has a rules file, and a key of its own.
    pub(crate) fn have_key(&self) -> bool {
        self.text.is_some() && self.redaction.has_key()
    }

    /// Whether the file contains all the rules and a key: with other rules the mock
    /// would not find the recordings.
    pub(crate) fn are_written(&self) -> bool {
        self.have_key() && self.text.as_deref() == Some(self.redaction.to_json().as_bytes())
    }

    /// Returns the rules with others added, and with a key if they had none. The added
    /// rules also apply after a reload.
    pub(crate) fn with(&mut self, wanted: &Wanted) -> Result<Redaction, RecordError> {
        self.wanted.patterns.extend_from_slice(&wanted.patterns);
        self.wanted.pointers.extend_from_slice(&wanted.pointers);
        let mut redaction = added(Redaction::clone(&self.redaction), wanted)?;
        if !redaction.has_key() {
            redaction = redaction.with_random_key()?;
        }
        Ok(redaction)
    }

    /// Writes rules to the folder, and uses them from now on.
    pub(crate) fn write(
        &mut self,
        redaction: Redaction,
        root: &Path,
        staging: &Staging,
        lock: &Lock,
    ) -> Result<(), RecordError> {
        let text = redaction.to_json().into_bytes();
        if self.text.as_ref() != Some(&text) {
            staging
                .put_file(redaction::FILE, &text, lock)
                .map_err(|source| RecordError::folder(&root.join(redaction::FILE), source))?;
        }
        self.text = Some(text);
        self.redaction = Arc::new(redaction);
        Ok(())
    }
}

/// Adds a recorder's own rules.
pub(crate) fn added(mut redaction: Redaction, wanted: &Wanted) -> Result<Redaction, RecordError> {
    for pattern in &wanted.patterns {
        redaction = redaction.with_pattern(pattern)?;
    }
    for pointer in &wanted.pointers {
        redaction = redaction.with_pointer(pointer)?;
    }
    Ok(redaction)
}

impl Wanted {
    pub(crate) fn is_empty(&self) -> bool {
        self.patterns.is_empty() && self.pointers.is_empty()
    }
}

fn text(root: &Path) -> Result<Option<Vec<u8>>, RecordError> {
    let file = root.join(redaction::FILE);
    match fs::read(&file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RecordError::folder(&file, source)),
    }
}

fn parse(root: &Path, text: &[u8]) -> Result<Redaction, RecordError> {
    let file = root.join(redaction::FILE).display().to_string();
    Ok(Redaction::from_slice(text, &file)?)
}
