//! The command-line arguments.

use std::{
    env,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use clap::{
    ArgAction, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
    builder::NonEmptyStringValueParser,
};
use kontext_mock::{
    DEFAULT_BODY_LIMIT, Fault, JOURNAL_BODY, MatchMode, RecordMode, Shape, Validation,
};

/// An offline mock of the provider's image API.
///
/// It checks requests against the contract and answers with recorded
/// responses, byte for byte. Two recordings are built in.
#[derive(Debug, Parser)]
#[command(
    name = "kontext-mock",
    version,
    after_help = "Exit codes: 0 stopped or clean; 1 recordings disagree with the contract, \
                  requests missed with --fail-on-miss, the real server answers differently, or no \
                  mock is up; 2 could not start or decide, bad arguments or unreadable files.\n\n\
                  Every option can be set by an environment variable, too: KONTEXT_MOCK_ and \
                  its name, such as KONTEXT_MOCK_LISTEN for --listen. An empty one is unset. \
                  The variable of an option that can be repeated takes several values, each on \
                  a line of its own; or separated by commas, those of KONTEXT_MOCK_FAULT by \
                  semicolons, and those of KONTEXT_MOCK_REDACT_PATTERN by lines alone."
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
    /// Send the recorded requests to a real server, and report where it answers
    /// differently from the recording: in status, media type or shape.
    ///
    /// Each request is sent once, and the provider charges for the images: on a
    /// terminal it asks first, and --dry-run says the price and sends nothing. The key
    /// is read from the environment variable AIMLAPI_KEY.
    Verify(VerifyArguments),
    /// Ask a running mock whether it is up, for container health checks.
    Health(HealthArguments),
}

#[derive(Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) listen: ListenArguments,

    /// A folder of recordings to serve instead of those built in.
    #[arg(long, value_name = "DIR")]
    pub(crate) recordings: Option<PathBuf>,

    /// What to do when no recording has exactly the request: answer 404 with
    /// the differences, answer with the nearest, with the first one, or with one
    /// that is made up from the request, its pictures too.
    #[arg(long = "match", value_name = "MODE", value_enum, default_value_t = MatchMode::Nearest)]
    pub(crate) match_mode: MatchMode,

    /// Ignore the value at a JSON pointer, such as /seed, where no recording has
    /// exactly the request; can be given several times. The answer's header
    /// x-kontext-ignored says what differed.
    #[arg(long, value_name = "POINTER")]
    pub(crate) ignore: Vec<String>,

    /// The only key to take; without it any key that is not empty is taken.
    ///
    /// Prefer the environment variable: other users of the machine can read
    /// command lines.
    #[arg(
        long,
        value_name = "KEY",
        value_parser = NonEmptyStringValueParser::new(),
    )]
    pub(crate) key: Option<String>,

    /// The longest request body to take, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = DEFAULT_BODY_LIMIT)]
    pub(crate) body_limit: usize,

    /// How long a request body may be that the journal keeps whole, in bytes; of longer
    /// ones it has the start and the SHA-256.
    #[arg(long, value_name = "BYTES", default_value_t = JOURNAL_BODY)]
    pub(crate) journal_body: usize,

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
    /// the first N requests only, and most with ,p=0.1 for a share of the requests that
    /// follows from --seed. 503 is short for status=503.
    ///
    /// Several in one value are separated by `;`.
    #[arg(long = "fault", value_name = "FAULT", value_delimiter = FAULT_SEPARATOR)]
    pub(crate) faults: Vec<Fault>,

    /// Where --match generate lists the images: images, data, or both; b64 is data with
    /// the images themselves.
    #[arg(long, value_name = "SHAPE", value_enum, default_value_t = Shape::Images)]
    pub(crate) shape: Shape,

    /// Seed for generated answers, and for faults with a share.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) seed: u64,

    /// Serve answers byte for byte, also those whose pictures were kept: their
    /// URLs then lead to the provider and not to this server.
    #[arg(long)]
    pub(crate) keep_urls: bool,

    /// Where clients find this server, such as https://mock.example.com behind a proxy:
    /// the URLs of pictures start with it, and not with the Host of the request.
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,

    /// How to notice that files of --recordings have changed.
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Watch::Auto)]
    pub(crate) watch: Watch,

    /// Do not reload recordings when their files change.
    #[arg(long, conflicts_with = "watch")]
    pub(crate) no_watch: bool,

    /// Exit with 1 at the end if a valid request found no recording. Use it with --match
    /// strict: the other modes answer every request for a model that has a recording.
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
pub(crate) struct ListenArguments {
    /// The address to listen on; port 0 picks a free one, and localhost is both
    /// loopback addresses.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4010", value_parser = listen)]
    listen: Listen,

    /// The port to listen on, in place of that of --listen.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
}

/// One address, or both loopback addresses.
#[derive(Clone, Debug)]
struct Listen(Vec<SocketAddr>);

impl ListenArguments {
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let mut addresses = self.listen.0.clone();
        for address in &mut addresses {
            address.set_port(self.port.unwrap_or(address.port()));
        }
        addresses
    }
}

#[derive(Debug, Args)]
pub(crate) struct HealthArguments {
    /// The origin of the mock.
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:4010")]
    pub(crate) url: String,
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
    /// The real server: an origin, https or http on this machine, and maybe a path that
    /// comes before that of each request.
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: String,

    /// The folder to save into; it is made where it is missing.
    #[arg(long, value_name = "DIR")]
    pub(crate) recordings: PathBuf,

    #[command(flatten)]
    pub(crate) listen: ListenArguments,

    /// What to save: everything, as the next answer where the request has a recording;
    /// only what is missing, where requests that have
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
    /// The real server: an origin, https or http on this machine, and maybe a path that
    /// comes before that of each request.
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: String,

    /// A folder of recordings to verify instead of those built in.
    #[arg(long, value_name = "DIR")]
    pub(crate) recordings: Option<PathBuf>,

    /// A recording to verify, as generate-image/add-bird, instead of all; can be
    /// given several times.
    #[arg(long = "case", value_name = "NAME")]
    pub(crate) cases: Vec<String>,

    /// Send nothing, and say how many requests would be sent and what they cost.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Send paid requests without a question, which is only asked on a terminal.
    #[arg(long)]
    pub(crate) yes: bool,

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

/// Omits the key, so that it is not printed by accident.
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

/// Parses a listen address; the error gives an example.
fn listen(text: &str) -> Result<Listen, String> {
    if let Some(port) = text
        .strip_prefix("localhost:")
        .and_then(|port| port.parse().ok())
    {
        let port: u16 = port;
        let loopbacks = [
            (Ipv4Addr::LOCALHOST, port).into(),
            (Ipv6Addr::LOCALHOST, port).into(),
        ];
        return Ok(Listen(loopbacks.into()));
    }
    let hint = "expected an IP address or localhost, and a port, such as 127.0.0.1:4010";
    let address = text.parse().map_err(|_| hint.to_owned())?;
    Ok(Listen(vec![address]))
}

/// Parses the command line and the environment; exits with an error message if they are
/// invalid.
pub(crate) fn parse() -> Command {
    let names: Vec<_> = Arguments::command()
        .get_subcommands()
        .map(|one| one.get_name().to_owned())
        .collect();
    let command = names
        .into_iter()
        .fold(Arguments::command(), |command, name| {
            command.mut_subcommand(name, with_variables)
        });
    let parsed = Arguments::from_arg_matches(&command.get_matches());
    parsed.unwrap_or_else(|error| error.exit()).command
}

/// Splits the environment variable of an option that can be repeated.
fn values<'a>(name: &str, variable: &'a str) -> impl Iterator<Item = &'a str> {
    // Faults and regular expressions contain commas, and spaces can matter in the
    // latter.
    let (separator, blank): (_, &[char]) = match name {
        "FAULT" => (FAULT_SEPARATOR, &[' ', '\r']),
        "REDACT_PATTERN" => ('\n', &['\r']),
        _ => (',', &[' ', '\r']),
    };
    let values = variable.split(['\n', separator]);
    let values = values.map(move |value| value.trim_matches(blank));
    values.filter(|value| !value.is_empty())
}

/// Separates several faults in one value.
const FAULT_SEPARATOR: char = ';';

/// Makes every option of a command read its environment variable. An empty one, as
/// compose files pass for an unset variable, is ignored.
fn with_variables(command: clap::Command) -> clap::Command {
    command.mut_args(|argument| {
        let Some(name) = argument.get_long() else {
            return argument;
        };
        let name = name.to_ascii_uppercase().replace('-', "_");
        let variable = format!("KONTEXT_MOCK_{name}");
        let value = env::var(&variable).unwrap_or_default();
        if env::var_os(&variable).is_some_and(|value| value.is_empty()) {
            return argument;
        }
        if matches!(argument.get_action(), ArgAction::Append) && !value.is_empty() {
            // Leaked, because clap needs them until the program ends.
            let values = values(&name, value.leak());
            return argument.default_values(values).hide_default_value(true);
        }
        let is_key = name == "KEY";
        // Leaked, because clap needs it until the program ends.
        let variable: &'static str = variable.leak();
        argument
            .env(variable)
            .hide_env(!is_key)
            .hide_env_values(true)
    })
}
