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
#[derive(Parser)]
#[command(
    name = "kontext-mock",
    version,
    after_help = "Exit codes: 0 stopped or clean; 1 recordings disagree with the contract, \
                  requests missed with --fail-on-miss, the real server answers differently, or no \
                  mock is up; 2 could not start or decide, bad arguments or unreadable files.\n\n\
                  Every option has an environment variable, such as KONTEXT_MOCK_LISTEN for \
                  --listen; an empty variable is ignored. For a repeatable option, separate \
                  values by commas or newlines (KONTEXT_MOCK_FAULT: semicolons or newlines, \
                  KONTEXT_MOCK_REDACT_PATTERN: newlines only)."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve recordings until SIGTERM or Ctrl-C.
    ///
    /// The first line on standard output is `kontext-mock listening on http://ADDR`.
    /// Everything else, including a line per request, goes to standard error.
    Serve(ServeArguments),
    /// Check recordings against the contract.
    Check(CheckArguments),
    /// List the recordings: name, status, title and request.
    List(ListArguments),
    /// Forward requests to the real server and save its responses, without secrets,
    /// until SIGTERM or Ctrl-C.
    ///
    /// The first line on standard output is `kontext-mock recording on http://ADDR`.
    /// Everything else, including a line per exchange, goes to standard error. Clients
    /// send their own key. Keys, cookies, tokens and signatures in URLs are forwarded and
    /// never saved.
    Record(RecordArguments),
    /// Remove secrets from existing recordings.
    Redact(RedactArguments),
    /// Send the recorded requests to a real server and report responses whose status,
    /// media type or shape differs from the recording.
    ///
    /// Each request is sent once, and the provider charges for the images. On a terminal,
    /// the command asks for confirmation first; --dry-run prints the price and sends
    /// nothing. The key is read from AIMLAPI_KEY.
    Verify(VerifyArguments),
    /// Check that a mock is running, for container health checks.
    Health(HealthArguments),
}

#[derive(Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) listen: ListenArguments,

    /// Folder of recordings to serve instead of the built-in ones.
    #[arg(long, value_name = "DIR")]
    pub(crate) recordings: Option<PathBuf>,

    /// How to answer a request that no recording matches exactly.
    #[arg(long = "match", value_name = "MODE", value_enum, default_value_t = MatchMode::Nearest)]
    pub(crate) match_mode: MatchMode,

    /// Ignore the value at a JSON pointer, such as /seed, if no recording matches the
    /// request exactly. The header x-kontext-ignored lists what differed. Repeatable.
    #[arg(long, value_name = "POINTER")]
    pub(crate) ignore: Vec<String>,

    /// The only accepted API key. By default any non-empty key is accepted.
    ///
    /// Prefer the environment variable: other users of the machine can read command
    /// lines.
    #[arg(
        long,
        value_name = "KEY",
        value_parser = NonEmptyStringValueParser::new(),
    )]
    pub(crate) key: Option<String>,

    /// Maximum size of a request body, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = DEFAULT_BODY_LIMIT)]
    pub(crate) body_limit: usize,

    /// Maximum size of a request body that the journal keeps whole, in bytes. Of a longer
    /// one it keeps the start and the SHA-256.
    #[arg(long, value_name = "BYTES", default_value_t = JOURNAL_BODY)]
    pub(crate) journal_body: usize,

    /// How to treat requests that violate the contract.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Validation::Error)]
    pub(crate) validation: Validation,

    /// Inject a fault. Repeatable.
    ///
    /// delay=200ms, delay=50ms..2s, slow-body=2s, reset-before, reset-after,
    /// empty-reply, garbage, malformed-chunk, cut-body[=BYTES],
    /// wrong-content-length[=BYTES], html-502, status=503, 429[=SECONDS],
    /// rate-limit=5/s[,burst=N], out-of-credits=IMAGES. Append ,times=N for the first N
    /// requests only, or (most faults) ,p=0.1 for a share of the requests, chosen by
    /// --seed. 503 is short for status=503. Separate several faults by `;`.
    #[arg(long = "fault", value_name = "FAULT", value_delimiter = FAULT_SEPARATOR)]
    pub(crate) faults: Vec<Fault>,

    /// Shape of the responses of --match generate.
    #[arg(long, value_name = "SHAPE", value_enum, default_value_t = Shape::Images)]
    pub(crate) shape: Shape,

    /// Seed for generated responses and for faults with p=.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) seed: u64,

    /// Do not rewrite the URLs of recorded pictures: they lead to the provider instead of
    /// this server, and responses are served byte for byte.
    #[arg(long)]
    pub(crate) keep_urls: bool,

    /// URL at which clients reach this server, such as https://mock.example.com behind a
    /// proxy. URLs of pictures start with it instead of the request's Host.
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,

    /// How to detect changes of files in --recordings.
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Watch::Auto)]
    pub(crate) watch: Watch,

    /// Do not reload recordings when their files change.
    #[arg(long, conflicts_with = "watch")]
    pub(crate) no_watch: bool,

    /// Exit with 1 if a valid request matched no recording. Use it with --match strict:
    /// the other modes answer every request for a model that has a recording.
    #[arg(long)]
    pub(crate) fail_on_miss: bool,

    /// File to write the port to once the server is ready; deleted on exit.
    #[arg(long, value_name = "FILE")]
    pub(crate) port_file: Option<PathBuf>,

    /// Do not log requests.
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(Args)]
pub(crate) struct ListenArguments {
    /// Address to listen on. Port 0 picks a free port; localhost means both loopback
    /// addresses.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4010", value_parser = listen)]
    listen: Listen,

    /// Port to listen on; overrides the port of --listen.
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

#[derive(Args)]
pub(crate) struct HealthArguments {
    /// Origin of the mock.
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:4010")]
    pub(crate) url: String,
}

#[derive(Args)]
pub(crate) struct CheckArguments {
    /// Folder of recordings to check instead of the built-in ones.
    #[arg(long, value_name = "DIR")]
    pub(crate) recordings: Option<PathBuf>,

    /// Format of the report.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Args)]
pub(crate) struct ListArguments {
    /// Folder of recordings to list instead of the built-in ones.
    #[arg(long, value_name = "DIR")]
    pub(crate) recordings: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct RecordArguments {
    /// The real server: an origin (https, or http on this machine), optionally with a base
    /// path.
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: String,

    /// Folder to save recordings in; created if missing.
    #[arg(long, value_name = "DIR")]
    pub(crate) recordings: PathBuf,

    #[command(flatten)]
    pub(crate) listen: ListenArguments,

    /// Which exchanges to save.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = RecordMode::All)]
    pub(crate) mode: RecordMode,

    /// Also download and save the pictures of responses.
    #[arg(long)]
    pub(crate) files: bool,

    #[command(flatten)]
    pub(crate) rules: RuleArguments,

    /// File to write the port to once the recorder is ready; deleted on exit.
    #[arg(long, value_name = "FILE")]
    pub(crate) port_file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct RuleArguments {
    /// Also redact what matches a regular expression; it is added to the folder's
    /// redaction.json. Repeatable.
    #[arg(long, value_name = "REGEX")]
    pub(crate) redact_pattern: Vec<String>,

    /// Also redact the value at a JSON pointer, such as /prompt; it is added to the
    /// folder's redaction.json. Repeatable.
    #[arg(long, value_name = "POINTER")]
    pub(crate) redact_pointer: Vec<String>,
}

#[derive(Args)]
pub(crate) struct RedactArguments {
    /// Folder of recordings.
    #[arg(long, value_name = "DIR")]
    pub(crate) recordings: PathBuf,

    #[command(flatten)]
    pub(crate) rules: RuleArguments,

    /// Only list what would be redacted.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Args)]
pub(crate) struct VerifyArguments {
    /// The real server: an origin (https, or http on this machine), optionally with a base
    /// path.
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: String,

    /// Folder of recordings to verify instead of the built-in ones.
    #[arg(long, value_name = "DIR")]
    pub(crate) recordings: Option<PathBuf>,

    /// Verify only this recording, such as generate-image/add-bird. Repeatable.
    #[arg(long = "case", value_name = "NAME")]
    pub(crate) cases: Vec<String>,

    /// Only print the number of requests and their price.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Send paid requests without confirmation, which is asked for on terminals only.
    #[arg(long)]
    pub(crate) yes: bool,

    /// Format of the report.
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
    /// By file system events, or by polling if the system has none left.
    Auto,
    /// Poll every file once a second, as network file systems need.
    Poll,
}

/// Parses a listen address; the error gives an example.
fn listen(text: &str) -> Result<Listen, String> {
    let port = text.strip_prefix("localhost:");
    if let Some(port) = port.and_then(|port| port.parse::<u16>().ok()) {
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

/// The provider's key from the environment; `None` if it is unset or empty.
pub(crate) fn key_of_environment() -> Option<String> {
    env::var("AIMLAPI_KEY").ok().filter(|key| !key.is_empty())
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
