//! Remembers what was made of a request's body: tests send the same few bodies
//! again and again.

use std::{
    collections::HashMap,
    hash::RandomState,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use crate::judge::Judged;

/// Longer bodies, in bytes, are not remembered, so that the memory stays small.
pub(crate) const LONGEST: usize = 4096;

/// How many bodies one of the two generations holds.
const BODIES: usize = 128;

/// The bodies of the last requests, with what was made of them.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    generations: Mutex<Generations>,
    hashes: RandomState,
}

/// When the new generation is full it becomes the old one, and what is asked
/// for in the old one moves into the new: what is in use stays.
#[derive(Debug, Default)]
struct Generations {
    new: HashMap<Box<[u8]>, Arc<Judged>>,
    old: HashMap<Box<[u8]>, Arc<Judged>>,
}

impl Cache {
    /// What was made of a body.
    pub(crate) fn get(&self, body: &[u8]) -> Option<Arc<Judged>> {
        self.lock().get(body)
    }

    /// Remembers what was made of a body.
    pub(crate) fn insert(&self, body: &[u8], judged: &Arc<Judged>) {
        self.lock().insert(body.into(), judged.clone());
    }

    /// Makes hashes that nobody outside of this process can foresee.
    pub(crate) fn hashes(&self) -> &RandomState {
        &self.hashes
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn get(&mut self, body: &[u8]) -> Option<Arc<Judged>> {
        if let Some(judged) = self.new.get(body) {
            return Some(judged.clone());
        }
        let (body, judged) = self.old.remove_entry(body)?;
        self.insert(body, judged.clone());
        Some(judged)
    }

    fn insert(&mut self, body: Box<[u8]>, judged: Arc<Judged>) {
        if self.new.len() >= BODIES {
            self.old = mem::take(&mut self.new);
        }
        self.new.insert(body, judged);
    }
}
