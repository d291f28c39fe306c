//! The jobs, as their file has them.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    fmt, fs,
    path::{Path, PathBuf},
};

use kontext_api::{
    ImageToImageRequest, InputImage, Uri,
    types::{ImageToImageModel, ImageUrl},
};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

use crate::{digest, explain, extensions, inputs, json_line};

/// The most characters of an id: with an ending it has to fit into a file name.
const LONGEST_ID: usize = 100;

/// One job.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    /// Of what the line says, whatever the order of its fields. Files are named in it,
    /// and their content is not part of it.
    pub(crate) sha256: String,
    /// Without the content of files.
    request: ImageToImageRequest,
    images: Vec<Input>,
}

/// An image of a job.
#[derive(Debug)]
enum Input {
    Url(Uri),
    File(PathBuf),
}

impl Job {
    /// How many images it asks for: left out, the provider makes one.
    pub(crate) fn asked(&self) -> u64 {
        self.request.num_images.unwrap_or(1)
    }

    /// The request as it is sent: files are read, and every limit is checked.
    pub(crate) fn request(&self) -> Result<ImageToImageRequest, Box<dyn Error>> {
        let mut request = self.request.clone();
        let images = self.images.iter().map(Input::load);
        let images = images.collect::<Result<Vec<_>, _>>()?;
        request.image_url = match (&request.image_url, <[Uri; 1]>::try_from(images)) {
            (ImageUrl::Uri(_), Ok([image])) => image.into(),
            (_, Ok(image)) => image.into(),
            (_, Err(images)) => images.into(),
        };
        request.check()?;
        Ok(request)
    }
}

impl Input {
    fn load(&self) -> Result<Uri, Box<dyn Error>> {
        let path = match self {
            Self::Url(url) => return Ok(url.clone()),
            Self::File(path) => path,
        };
        let failed = |problem: &dyn fmt::Display| format!("{}: {problem}", path.display());
        // To open a pipe would wait for somebody to write to it.
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(failed(&"it is not a file").into());
        }
        let bytes = fs::read(path).map_err(|error| failed(&error))?;
        let image =
            InputImage::from_bytes(bytes).map_err(|error| failed(&explain::unfit_input(&error)))?;
        Ok(image.into())
    }
}

/// Reads the jobs. Every line that is wrong is in the error, with its number.
pub(crate) fn read(path: &Path) -> Result<Vec<Job>, Vec<String>> {
    let content = fs::read(path).map_err(|error| vec![format!("{}: {error}", path.display())])?;
    // Some editors begin every file with a mark of its encoding.
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut jobs = Vec::new();
    let mut problems = Vec::new();
    let mut lines = HashMap::new();
    for (number, line) in (1..).zip(content.split(|byte| *byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let mut wrong = |problem: &dyn fmt::Display| {
            problems.push(format!("{}:{number}: {problem}", path.display()));
        };
        match job(line, folder) {
            // Some file systems take upper and lower case for the same.
            Ok(job) => match lines.insert(job.id.to_ascii_lowercase(), number) {
                Some(earlier) => wrong(&format!(
                    "the id `{}` is that of line {earlier} (case does not count)",
                    job.id
                )),
                None => jobs.push(job),
            },
            Err(problem) => wrong(&problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    match jobs.is_empty() {
        true => Err(vec![format!("{}: there is no job in it", path.display())]),
        false => Ok(jobs),
    }
}

fn job(line: &[u8], folder: &Path) -> Result<Job, String> {
    let Fields(mut fields) = json_line::parse(line)?;
    let sha256 = digest_of(&fields);
    let id = match fields.remove("id") {
        Some(Value::String(id)) => checked_id(id)?,
        Some(_) => return Err("`id` is not a string".to_owned()),
        None => return Err("`id` is missing".to_owned()),
    };
    fields.entry("model".to_owned()).or_insert_with(|| {
        ImageToImageModel::FluxKontextProImageToImage
            .as_str()
            .into()
    });
    let fields = Value::Object(fields.into_iter().collect());
    let request: ImageToImageRequest =
        serde_json::from_value(fields).map_err(|error| error.to_string())?;
    let images: Vec<Uri> = match &request.image_url {
        ImageUrl::Uri(image) => vec![image.clone()],
        ImageUrl::Array(images) => images.clone(),
        _ => return Err("`image_url` is neither a string nor a list of them".to_owned()),
    };
    let input = |image: Uri| match inputs::is_url(image.as_str())? {
        true => Ok(Input::Url(image)),
        false => Ok(Input::File(folder.join(image.as_str()))),
    };
    Ok(Job {
        id,
        sha256,
        request,
        images: images
            .into_iter()
            .map(input)
            .collect::<Result<_, String>>()?,
    })
}

/// An id becomes the name of files, and no two ids may become the same one.
fn checked_id(id: String) -> Result<String, String> {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let extension = Path::new(&id).extension().and_then(|it| it.to_str());
    let problem = if id.is_empty() || id.len() > LONGEST_ID || !id.chars().all(is_taken) {
        format!("give 1 to {LONGEST_ID} characters of A-Z a-z 0-9 . _ -")
    } else if id.starts_with(['.', '-']) || id.ends_with('.') {
        "it may not begin with a dot or a hyphen, nor end with a dot".to_owned()
    } else if extension.is_some_and(is_image) {
        "leave the extension out: that of the image is appended".to_owned()
    } else if id == "all" {
        "`all` stands for all jobs".to_owned()
    } else {
        return Ok(id);
    };
    let shown: String = id.chars().take(LONGEST_ID).collect();
    Err(format!(
        "the id \"{}\" cannot be taken: {problem}",
        shown.escape_debug()
    ))
}

/// Whether an extension may be that of a result.
pub(crate) fn is_image(extension: &str) -> bool {
    extensions::is_image(extension) || extension.eq_ignore_ascii_case("part")
}

fn digest_of(fields: &BTreeMap<String, Value>) -> String {
    // A map of values always has a JSON text.
    digest::sha256(serde_json::to_vec(fields).unwrap_or_default())
}

/// The fields of an object, each of them once.
struct Fields(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Fields;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if fields.contains_key(&name) {
                        return Err(A::Error::custom(format!(
                            "the field `{name}` is there twice"
                        )));
                    }
                    fields.insert(name, value);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Read)
    }
}
