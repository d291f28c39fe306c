//! What the command line takes.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};
use kontext_mock::{DEFAULT_BODY_LIMIT, Fault, MatchMode, RecordMode, Shape, Validation};

/// An offline mock of the provider's image API.
///
/// It checks requests against the contract and answers with recorded
/// responses, byte for byte. Two recordings are built in.
#[derive(Debug, Parser)]
#[command(
    name = "kontext-mock",
    version,
    after_help = "Exit codes: 0 stopped or clean; 1 recordings disagree with the contract, \
                  requests missed with --fail-on-miss, or the real server answers otherwise; 2 \
                  could not start or decide, bad arguments or unreadable files."
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
    /// Pass requests on to the real server and save what it answers, without
    /// secrets, until SIGTERM or Ctrl-C.
    ///
    /// The first line on standard output is `kontext-mock recording on
    /// http://ADDR`; everything else, a line per exchange among it, goes to
    /// standard error. Clients send their own key. It is passed on and never
    /// written; the same goes for cookies, tokens and signatures in URLs.
    Record(RecordArguments),
    /// Take secrets out of recordings that are there already.
    Redact(RedactArguments),
    /// Send the recorded requests to a real server, and say where it answers
    /// otherwise than recorded: in status, media type or shape.
    ///
    /// Each request is sent once, and the provider charges for the images. The
    /// key is read from the environment variable AIMLAPI_KEY.
    Verify(VerifyArguments),
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
    /// the differences, answer with the nearest, with the first one, or with one
    /// that is made up from the request, its pictures too.
    #[arg(long = "match", value_name = "MODE", value_enum, default_value_t = MatchMode::Nearest)]
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

    /// What to do with requests that the contract does not allow: refuse them
    /// as the provider would, say so in a header and in the log, or nothing.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Validation::Error)]
    pub(crate) validation: Validation,

    /// Something that goes wrong on purpose; can be given several times.
    ///
    /// delay=200ms, delay=50ms..2s, slow-body=2s, reset-before, reset-after,
    /// empty-reply, garbage, malformed-chunk, cut-body[=BYTES],
    /// wrong-content-length[=BYTES], html-502, status=503, 429[=SECONDS],
    /// rate-limit=5/s[,burst=N], out-of-credits=IMAGES; each with ,times=N for
    /// the first N requests only.
    #[arg(long = "fault", value_name = "FAULT")]
    pub(crate) faults: Vec<Fault>,

    /// Where --match generate lists the images: images, data, or both.
    #[arg(long, value_name = "SHAPE", value_enum, default_value_t = Shape::Images)]
    pub(crate) shape: Shape,

    /// Makes --match generate answer otherwise than with another number.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) seed: u64,

    /// Serve answers byte for byte, also those whose pictures were kept: their
    /// URLs then lead to the provider and not to this server.
    #[arg(long)]
    pub(crate) keep_urls: bool,

    /// How to notice that files of --recordings have changed.
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Watch::Auto)]
    pub(crate) watch: Watch,

    /// Do not reload recordings when their files change.
    #[arg(long, conflicts_with = "watch")]
    pub(crate) no_watch: bool,

    /// Exit with 1 at the end if a request that is in order found no recording;
    /// best with --match strict, since the nearest recording is an answer.
    #[arg(long)]
    pub(crate) fail_on_miss: bool,

    /// A file to write the port to when the server is up; it is deleted at the
    /// end.
    #[arg(long, value_name = "FILE")]
    pub(crate) port_file: Option<PathBuf>,

    /// Do not write a line per request.
    #[arg(long)]
    pub(crate) quiet: bool,
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

#[derive(Debug, Args)]
pub(crate) struct RecordArguments {
    /// The origin of the real server: https, or http on this machine.
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: String,

    /// The folder to save into; it is made where it is missing.
    #[arg(long, value_name = "DIR")]
    pub(crate) recordings: PathBuf,

    /// The address to listen on; port 0 picks a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4010", value_parser = address)]
    pub(crate) listen: SocketAddr,

    /// What to save: everything; only what is missing, where requests that have
    /// a recording are answered by it and cost nothing; or only what is there
    /// already.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = RecordMode::All)]
    pub(crate) mode: RecordMode,

    /// Fetch the pictures behind the URLs of answers, and keep them.
    #[arg(long)]
    pub(crate) files: bool,

    #[command(flatten)]
    pub(crate) rules: RuleArguments,

    /// A file to write the port to when the recorder is up; it is deleted at
    /// the end.
    #[arg(long, value_name = "FILE")]
    pub(crate) port_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RuleArguments {
    /// Take out what a regular expression matches, too; it is added to the
    /// folder's redaction.json. Can be given several times.
    #[arg(long, value_name = "REGEX")]
    pub(crate) redact_pattern: Vec<String>,

    /// Take out the value at a JSON pointer, too, as in /prompt; it is added to
    /// the folder's redaction.json. Can be given several times.
    #[arg(long, value_name = "POINTER")]
    pub(crate) redact_pointer: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RedactArguments {
    /// The folder of recordings.
    #[arg(long, value_name = "DIR")]
    pub(crate) recordings: PathBuf,

    #[command(flatten)]
    pub(crate) rules: RuleArguments,

    /// Only say what would be taken out.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The origin of the real server: https, or http on this machine.
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: String,

    /// A folder of recordings to verify instead of those built in.
    #[arg(long, value_name = "DIR")]
    pub(crate) recordings: Option<PathBuf>,

    /// A recording to verify, as generate-image/add-bird, instead of all; can be
    /// given several times.
    #[arg(long = "case", value_name = "NAME")]
    pub(crate) cases: Vec<String>,

    /// How to write the report.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Watch {
    /// By events of the file system, or by polling where there are none left.
    Auto,
    /// By looking at every file once a second, as network file systems need it.
    Poll,
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
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

/// Reads an address, and says what one looks like.
fn address(text: &str) -> Result<SocketAddr, String> {
    let hint = "expected an IP address and a port, such as 127.0.0.1:4010";
    text.parse().map_err(|_| hint.to_owned())
}
