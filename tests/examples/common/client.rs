//! The client that the tools use.

use std::env::{self, VarError};

use kontext_api::{BuildError, Client, ClientBuilder};

/// How much is taken from a server.
#[derive(Debug, clap::Args)]
pub(crate) struct Limits {
    /// How large an answer may be, in MiB; 64 if it is not given. Images can be in it.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_answer_mib: Option<u32>,

    /// How large an image may be that is downloaded, in MiB; 32 if it is not given.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_image_mib: Option<u32>,
}

/// The client of the environment.
pub(crate) fn new(limits: &Limits, spend_limit: Option<u64>) -> Result<Client, BuildError> {
    let builder = ClientBuilder::from_env()?;
    let builder = match spend_limit {
        Some(credits) => builder.spend_limit(credits),
        None => builder,
    };
    limited(builder, limits)
}

fn limited(mut builder: ClientBuilder, limits: &Limits) -> Result<Client, BuildError> {
    const MIB: usize = 1024 * 1024;
    if let Some(limit) = limits.max_answer_mib {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        builder = builder.max_answer_bytes(limit.saturating_mul(MIB));
    }
    if let Some(limit) = limits.max_image_mib {
        builder = builder.download_max_bytes(u64::from(limit) * MIB as u64);
    }
    builder.build()
}

/// A client that only downloads, which needs no key. If there is one all the same, it
/// is used, so that it is not shown where a server repeats it.
#[allow(dead_code, reason = "one of the tools always sends")]
pub(crate) fn without_key(limits: &Limits) -> Result<Client, BuildError> {
    const KEY: &str = "AIMLAPI_KEY";
    const BASE_URL: &str = "AIMLAPI_BASE_URL";
    let is_usable = |key: &String| !key.is_empty() && key.bytes().all(|it| it.is_ascii_graphic());
    let key = env::var(KEY).ok().filter(is_usable);
    let builder = Client::builder().api_key(key.as_deref().unwrap_or("no-key-for-downloads"));
    let builder = match env::var(BASE_URL) {
        Ok(base_url) if !base_url.is_empty() => builder.base_url(base_url),
        Ok(_) | Err(VarError::NotPresent) => builder,
        Err(VarError::NotUnicode(_)) => {
            return Err(BuildError::NotUnicode { variable: BASE_URL });
        }
    };
    limited(builder, limits)
}
