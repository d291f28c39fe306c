//! What the command line takes.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{
    Parser,
    builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser},
};
use kontext_api::types::{AspectRatio, OutputFormat, SafetyTolerance};

use crate::client::Limits;

/// Edits images with a prompt, and saves what comes.
///
/// The paths of the saved images are printed, one on a line; everything else goes to
/// standard error. The key is taken from AIMLAPI_KEY, another origin of the API, such
/// as a mock's, from AIMLAPI_BASE_URL.
///
/// Before anything is sent, the id of the call is written to OUTPUT.started.json. It is
/// removed when the outcome is known; while it is there, nothing is sent for this OUTPUT.
///
/// Before an image is downloaded, the answer is written to OUTPUT.answer.json, so
/// that what was paid for is never lost. It is removed when everything is saved.
#[derive(Debug, Parser)]
#[command(
    name = "edit",
    max_term_width = 80,
    after_help = "Exit codes: 0 every image is saved, 1 the call or a download failed, \
                  2 bad arguments, inputs or settings; nothing was sent."
)]
pub(crate) struct Arguments {
    /// The images to edit: files, http(s) or data URLs, or - for standard input.
    #[arg(value_name = "IMAGE", required_unless_present = "from_answer")]
    pub(crate) inputs: Vec<String>,

    /// What to do with them.
    #[arg(long, value_name = "TEXT", required_unless_present = "from_answer")]
    pub(crate) prompt: Option<String>,

    /// Where to save: `out/bird` becomes out/bird.jpg, or out/bird-1.jpg and so on
    /// for several. The extension is that of the content.
    #[arg(long, value_name = "PATH")]
    pub(crate) output: PathBuf,

    /// How many images to make; each is paid for.
    #[arg(long, value_name = "COUNT")]
    pub(crate) num_images: Option<u64>,

    /// The same seed and prompt make the same image.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    /// The sides of the images; without it, those of the input.
    #[arg(long, value_name = "RATIO", value_parser = one_of(AspectRatio::ALL, AspectRatio::as_str))]
    pub(crate) aspect_ratio: Option<AspectRatio>,

    /// The format of the images.
    #[arg(long, value_name = "FORMAT", value_parser = one_of(OutputFormat::ALL, OutputFormat::as_str))]
    pub(crate) output_format: Option<OutputFormat>,

    /// How closely to stick to the prompt.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) guidance_scale: Option<f64>,

    /// How much to permit, from the strictest.
    #[arg(long, value_name = "LEVEL", value_parser = one_of(SafetyTolerance::ALL, SafetyTolerance::as_str))]
    pub(crate) safety_tolerance: Option<SafetyTolerance>,

    /// Replace files of the same name.
    #[arg(long)]
    pub(crate) overwrite: bool,

    /// Keep OUTPUT.answer.json when everything is saved.
    #[arg(long)]
    pub(crate) keep_answer: bool,

    /// Send although the outcome of an earlier call is unknown, which may pay for it
    /// twice.
    #[arg(long)]
    pub(crate) force_new: bool,

    #[command(flatten)]
    pub(crate) limits: Limits,

    /// Send nothing: only download the images of an answer that an earlier run left.
    /// This needs no key.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "inputs", "prompt", "num_images", "seed", "aspect_ratio", "output_format",
            "guidance_scale", "safety_tolerance", "keep_answer", "force_new",
            "max_answer_mib",
        ],
        value_parser = NonEmptyStringValueParser::new().map(PathBuf::from),
    )]
    pub(crate) from_answer: Option<PathBuf>,
}

/// Takes the values of an enum of the API, and lists them in the help.
fn one_of<T>(all: &'static [T], name: fn(&T) -> &str) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: std::error::Error + Send + Sync> + Clone + Send + Sync,
{
    PossibleValuesParser::new(all.iter().map(name)).try_map(|text| text.parse::<T>())
}
