use std::{path::Path, process::ExitCode};
pub(crate) fn run(_: &Path) -> ExitCode { ExitCode::SUCCESS }
