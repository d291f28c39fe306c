//! What a request can do that is not generated: plain values as image URLs.
//!
//! Everything goes by way of the conversions that the generator writes, from one
//! [`Uri`] and from a list of them. No field of a request is named here, so a
//! property that the provider renames needs no change.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use url::Url;

use crate::client::call::Call;
use crate::redact;
use crate::request::input::InputImage;
use crate::request::uri::Uri;
use crate::types::ImageUrl;

pub(crate) mod input;
pub(crate) mod uri;

/// What a request takes as the URL of an image. Nobody else can name it, so that a [`Uri`]
/// that is not one is made for a request alone.
pub trait IntoUri {
    /// Text that is not a URI is kept, for the check of the request to report.
    fn into_uri(self) -> Uri;
}

impl IntoUri for Uri {
    fn into_uri(self) -> Uri {
        self
    }
}

/// One URL, and vectors. Vectors are listed by type because the generator writes
/// the one of [`Uri`], which a general conversion would contradict.
macro_rules! image_url_from {
    ($($value:ident: $kind:ty => $uri:expr),* $(,)?) => {$(
        impl IntoUri for $kind {
            fn into_uri(self) -> Uri {
                let $value = self;
                $uri
            }
        }

        impl From<$kind> for ImageUrl {
            fn from(url: $kind) -> Self {
                url.into_uri().into()
            }
        }

        impl From<Vec<$kind>> for ImageUrl {
            fn from(urls: Vec<$kind>) -> Self {
                list(urls)
            }
        }
    )*};
}

image_url_from!(
    text: &str => Uri::unchecked(text.into()),
    text: String => Uri::unchecked(text.into()),
    text: &String => Uri::unchecked(text.into()),
    url: Url => Uri::unchecked(String::from(url).into()),
    url: &Url => Uri::unchecked(url.as_str().into()),
    uri: &Uri => uri.clone(),
    image: InputImage => image.into(),
    image: &InputImage => image.into(),
);

impl<T: IntoUri> FromIterator<T> for ImageUrl {
    fn from_iter<I: IntoIterator<Item = T>>(urls: I) -> Self {
        list(urls)
    }
}

impl<T: IntoUri, const N: usize> From<[T; N]> for ImageUrl {
    fn from(urls: [T; N]) -> Self {
        list(urls)
    }
}

impl<T: IntoUri + Clone, const N: usize> From<&[T; N]> for ImageUrl {
    fn from(urls: &[T; N]) -> Self {
        list(urls.iter().cloned())
    }
}

impl<T: IntoUri + Clone> From<&[T]> for ImageUrl {
    fn from(urls: &[T]) -> Self {
        list(urls.iter().cloned())
    }
}

impl<T: IntoUri + Clone> From<&Vec<T>> for ImageUrl {
    fn from(urls: &Vec<T>) -> Self {
        list(urls.iter().cloned())
    }
}

fn list(urls: impl IntoIterator<Item: IntoUri>) -> ImageUrl {
    let urls = urls.into_iter().map(IntoUri::into_uri);
    urls.collect::<Vec<Uri>>().into()
}

/// A value of an enum that this version of the crate does not know; the enum's
/// `unknown` makes one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct UnknownValue(Box<str>);

impl UnknownValue {
    pub(crate) fn new(value: String) -> Self {
        Self(value.into())
    }

    /// The value as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a request is of no page that is known, for its decoder.
pub(crate) fn unknown_model(request: &Value, property: &str, known: &[&str]) -> serde_json::Error {
    let known: Vec<String> = known.iter().map(|model| format!("{model:?}")).collect();
    let known = known.join(", ");
    serde::de::Error::custom(match request.get(property) {
        _ if !request.is_object() => "a request must be an object".to_owned(),
        None => format!("missing field `{property}`, expected one of {known}"),
        Some(Value::String(model)) => format!(
            "unknown {property} {}, expected one of {known}; for another model, decode the \
             request type that it takes",
            redact::quoted(model, 60)
        ),
        Some(_) => format!("`{property}` must be a string, one of {known}"),
    })
}

/// How many characters a message about a request may have.
const LONGEST_MESSAGE: usize = 1_000;

/// A request that breaks limits of the API, so it was not sent.
///
/// All violations are collected at once. The limits come from the API's own
/// document, by way of the generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRequestError {
    violations: Vec<Violation>,
    /// The call that it was refused in, if it was not a builder.
    pub(crate) call: Option<Box<Call>>,
}

/// One limit that a request breaks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Violation {
    pub(crate) field: String,
    pub(crate) limit: String,
    pub(crate) value: Option<String>,
}

impl InvalidRequestError {
    /// Nothing, if there are no violations.
    pub(crate) fn from_violations(violations: Vec<Violation>) -> Result<(), Self> {
        if violations.is_empty() {
            Ok(())
        } else {
            Err(Self {
                violations,
                call: None,
            })
        }
    }

    /// A required field was not set, although the limits did not say so.
    ///
    /// Types and limits are generated from one document, so this is not expected;
    /// it is an error all the same, and no panic.
    pub(crate) fn incomplete() -> Self {
        let limit = "must have every required field".to_owned();
        Self {
            violations: vec![Violation {
                field: String::new(),
                limit,
                value: None,
            }],
            call: None,
        }
    }

    /// Every limit that the request breaks; at least one.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }
}

impl Violation {
    /// The required field `field` was not set.
    pub(crate) fn missing(field: String) -> Self {
        Self {
            field,
            limit: "is required".to_owned(),
            value: None,
        }
    }

    /// The field of the request, as `num_images` or `image_url[2]`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What the API asks of it, as `must be at most 4`.
    pub fn limit(&self) -> &str {
        &self.limit
    }

    /// What was given, shortened; `None` if a required field is missing.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = if self.field.is_empty() {
            "the request"
        } else {
            &self.field
        };
        write!(f, "{field}: {}", self.limit)?;
        let Some(value) = &self.value else {
            return Ok(());
        };
        write!(f, ", got {value}")?;
        match self.limit == uri::RULE {
            true => f.write_str(uri::hint(value.trim_matches('"'))),
            false => Ok(()),
        }
    }
}

impl fmt::Display for InvalidRequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request is not valid: ")?;
        let mut written = 0;
        for (index, violation) in self.violations.iter().enumerate() {
            let text = violation.to_string();
            written += text.chars().count();
            if index > 0 {
                if written > LONGEST_MESSAGE {
                    return write!(f, "; and {} more", self.violations.len() - index);
                }
                f.write_str("; ")?;
            }
            f.write_str(&text)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidRequestError {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use crate::ImageToImageRequest;
    use crate::types::ImageToImageModel;

    #[test]
    fn a_request_that_changed_since_it_was_built_can_be_checked() {
        let builder = ImageToImageRequest::builder()
            .model(ImageToImageModel::FluxKontextProImageToImage)
            .prompt("p");
        let mut request = builder.image_url("https://example.com").build().unwrap();
        assert_eq!(request.check(), Ok(()));
        request.num_images = Some(5);
        let error = request.check().unwrap_err();
        assert_eq!(error.violations().len(), 1);
        assert_eq!(error.violations()[0].field(), "num_images");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod invalid_request_tests {
    use super::*;

    #[test]
    fn a_message_names_every_violation_until_it_is_too_long() {
        let incomplete = InvalidRequestError::incomplete().to_string();
        assert_eq!(
            incomplete,
            "the request is not valid: the request: must have every required field"
        );

        let violations = (0..200)
            .map(|index| Violation::missing(format!("field_{index}")))
            .collect();
        let many = InvalidRequestError::from_violations(violations);
        let many = many.unwrap_err().to_string();
        assert!(many.len() < LONGEST_MESSAGE + 200, "{many}");
        assert!(many.ends_with(" more"), "{many}");
    }
}
