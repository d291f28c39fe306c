//! What the command line takes.

use std::{net::SocketAddr, path::PathBuf};

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser as _},
};
use kontext_mock::{DEFAULT_BODY_LIMIT, MatchMode};

/// An offline mock of the provider's image API.
///
/// It checks requests against the contract and answers with recorded
/// responses, byte for byte. Two recordings are built in.
#[derive(Debug, Parser)]
#[command(
    name = "kontext-mock",
    version,
    after_help = "Exit codes: 0 stopped or clean, 1 recordings disagree with the contract, \
                  2 could not start, bad arguments or unreadable files."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve recordings until SIGTERM or Ctrl-C.
    ///
    /// The first line on standard output is `kontext-mock listening on
    /// http://ADDR`; everything else, a line per request among it, goes to
    /// standard error.
    Serve(ServeArguments),
    /// Say where recordings disagree with the contract.
    Check(CheckArguments),
    /// List the recordings: name, status, title and request.
    List(ListArguments),
}

#[derive(Args)]
pub(crate) struct ServeArguments {
    /// The address to listen on; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4010", value_parser = address)]
    pub(crate) listen: SocketAddr,

    /// A folder of recordings to serve instead of those built in.
    #[arg(long, value_name = "DIR")]
    pub(crate) recordings: Option<PathBuf>,

    /// What to do when no recording has exactly the request: answer 404 with
    /// the differences, answer with the nearest, or with the first one.
    #[arg(
        long = "match",
        value_name = "MODE",
        default_value = MatchMode::Nearest.name(),
        value_parser = match_mode(),
    )]
    pub(crate) match_mode: MatchMode,

    /// The only key to take; without it any key that is not empty is taken.
    ///
    /// Prefer the environment variable: other users of the machine can read
    /// command lines.
    #[arg(
        long,
        value_name = "KEY",
        env = "KONTEXT_MOCK_KEY",
        hide_env_values = true,
        value_parser = NonEmptyStringValueParser::new(),
    )]
    pub(crate) key: Option<String>,

    /// The longest request body to take, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = DEFAULT_BODY_LIMIT)]
    pub(crate) body_limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// A folder of recordings to check instead of those built in.
    #[arg(long, value_name = "DIR")]
    pub(crate) recordings: Option<PathBuf>,

    /// How to write the report.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// A folder of recordings to list instead of those built in.
    #[arg(long, value_name = "DIR")]
    pub(crate) recordings: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The key must not be printed by accident, so it is left out.
impl std::fmt::Debug for ServeArguments {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ServeArguments")
            .field("listen", &self.listen)
            .field("recordings", &self.recordings)
            .field("match_mode", &self.match_mode)
            .field("body_limit", &self.body_limit)
            .finish_non_exhaustive()
    }
}

fn match_mode() -> impl clap::builder::TypedValueParser<Value = MatchMode> {
    PossibleValuesParser::new(MatchMode::ALL.map(MatchMode::name))
        .try_map(|name| name.parse::<MatchMode>())
}

/// Reads an address, and says what one looks like.
fn address(text: &str) -> Result<SocketAddr, String> {
    let hint = "expected an IP address and a port, such as 127.0.0.1:4010";
    text.parse().map_err(|_| hint.to_owned())
}
