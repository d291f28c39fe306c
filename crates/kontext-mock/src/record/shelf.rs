//! Which part of a folder a recording stands in.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::recordings::Recording;

/// The hidden folder of the recordings that disagree with the contract.
const DISAGREEING: &str = ".disagreeing";

/// A part of a folder of recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// What the mock serves.
    Served,
    /// What the gate refuses. It is kept, because it was paid for, where the
    /// mock does not see it: one such recording would refuse the whole folder.
    Disagreeing,
}

/// Where a recording stands in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) shelf: Shelf,
    pub(crate) operation: String,
    pub(crate) case: String,
}

impl Shelf {
    /// Both, the one that counts first.
    pub(crate) const ALL: [Self; 2] = [Self::Served, Self::Disagreeing];

    /// The folder that has the folders of the operations.
    pub(crate) fn folder(self, root: &Path) -> PathBuf {
        match self {
            Self::Served => root.to_owned(),
            Self::Disagreeing => root.join(DISAGREEING),
        }
    }
}

impl Place {
    /// Where a recording of a shelf stands.
    pub(crate) fn of(shelf: Shelf, recording: &Recording) -> Self {
        let name = recording.name();
        let (operation, case) = name.split_once('/').unwrap_or((name, ""));
        Self {
            shelf,
            operation: operation.to_owned(),
            case: case.to_owned(),
        }
    }
}

impl fmt::Display for Place {
    /// Writes the path from the folder of recordings on.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.shelf == Shelf::Disagreeing {
            write!(formatter, "{DISAGREEING}/")?;
        }
        write!(formatter, "{}/{}", self.operation, self.case)
    }
}
