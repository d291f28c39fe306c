//! Locks on files, which end with the process, however it ends.

use std::{fs::File, io};

use fs4::{FileExt, TryLockError};

/// Locks a file until it is closed. False if another process has it.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    match FileExt::try_lock(file) {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
