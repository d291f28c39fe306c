//! Why an image of the caller's could not be taken.

use std::io;
use std::path::{Path, PathBuf};

use crate::text;

/// How many characters of a path a message shows.
const SHOWN: usize = 300;

/// Why an image of the caller's could not be taken. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// It could not be read: there is no such file, it may not be read, or
    /// reading failed. The source says which.
    #[error("{} cannot be read", named(path.as_deref()))]
    Read {
        /// The file, if it is one.
        path: Option<PathBuf>,
        /// What the system said.
        source: io::Error,
    },
    /// The path is that of a directory, a pipe, a socket or a device.
    #[error("{} is {}", named(Some(path)), other_kind(*is_directory))]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// Whether it is a directory.
        is_directory: bool,
    },
    /// It has no bytes.
    #[error("{} is empty", named(path.as_deref()))]
    Empty {
        /// The file, if it is one.
        path: Option<PathBuf>,
    },
    /// Its first bytes are those of no image.
    #[error("{} is no image, it begins with {beginning}", named(path.as_deref()))]
    NotAnImage {
        /// The file, if it is one.
        path: Option<PathBuf>,
        /// Its first bytes, as text where they are text.
        beginning: String,
    },
    /// It is larger than the limit.
    #[error(
        "{} has {}, the limit is {limit} bytes, which `InputOptions::max_bytes` can raise",
        named(path.as_deref()),
        counted(*size, *limit)
    )]
    TooLarge {
        /// The file, if it is one.
        path: Option<PathBuf>,
        /// Its size in bytes, if it was known before it was read.
        size: Option<u64>,
        /// The limit in bytes.
        limit: u64,
    },
}

impl InputError {
    pub(crate) fn read(path: Option<&Path>, source: io::Error) -> Self {
        Self::Read {
            path: path.map(Into::into),
            source,
        }
    }

    pub(crate) fn empty(path: Option<&Path>) -> Self {
        Self::Empty {
            path: path.map(Into::into),
        }
    }

    pub(crate) fn too_large(path: Option<&Path>, size: Option<u64>, limit: u64) -> Self {
        Self::TooLarge {
            path: path.map(Into::into),
            size,
            limit,
        }
    }

    /// The file that the image should have come from, if it was one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::NotAFile { path, .. } => Some(path),
            Self::Read { path, .. }
            | Self::Empty { path }
            | Self::NotAnImage { path, .. }
            | Self::TooLarge { path, .. } => path.as_deref(),
        }
    }
}

fn named(path: Option<&Path>) -> String {
    match path {
        Some(path) => text::quoted(&path.display().to_string(), SHOWN),
        None => "the input".to_owned(),
    }
}

fn other_kind(is_directory: bool) -> &'static str {
    match is_directory {
        true => "a directory, not a file",
        false => "a pipe, a socket or a device, which `InputImage::from_reader` can read",
    }
}

fn counted(size: Option<u64>, limit: u64) -> String {
    match size {
        Some(size) => format!("{size} bytes"),
        None => format!("more than {limit} bytes"),
    }
}
