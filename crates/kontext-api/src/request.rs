//! Handwritten additions to the generated requests: plain values as image URLs.
//!
//! Everything uses the conversions that the generator writes, from one [`Uri`] and from a
//! list. No field of a request is named here, so nothing changes when the provider renames
//! one.

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

/// A value that a request accepts as an image URL. It cannot be named outside this crate,
/// because it may return an invalid [`Uri`], which must exist only inside a request.
pub trait IntoUri {
    /// Keeps text that is not a URI, for the validation of the request to report.
    fn into_uri(self) -> Uri;
}

impl IntoUri for Uri {
    fn into_uri(self) -> Uri {
        self
    }
}

/// Conversions from one URL and from vectors. Vectors are listed by type because a generic
/// conversion would conflict with the generated one of [`Uri`].
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

/// An enum value that this version of the crate does not know, created by the enum's
/// `unknown`.
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

/// The error for a request with an unknown model, when it is deserialized.
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

/// The maximum number of characters of a message about a request.
const LONGEST_MESSAGE: usize = 1_000;

/// A request that violates limits of the API and was not sent.
///
/// All violations are collected at once. The limits are generated from the API's spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRequestError {
    violations: Vec<Violation>,
    /// The call that rejected the request; `None` for a request builder.
    pub(crate) call: Option<Box<Call>>,
}

/// One limit that a request violates.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Violation {
    pub(crate) field: String,
    pub(crate) limit: String,
    pub(crate) value: Option<String>,
}

impl InvalidRequestError {
    /// An error if there are violations.
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

    /// A required field was not set, although the limits did not report it.
    ///
    /// Not expected, since types and limits are generated from one spec, but it must not
    /// panic.
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

    /// All violations; at least one.
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

    /// The field of the request, such as `num_images` or `image_url[2]`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The limit, such as `must be at most 4`.
    pub fn limit(&self) -> &str {
        &self.limit
    }

    /// The value, truncated; `None` if the field is missing or must be left out.
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
    fn check_reports_changes_after_build() {
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
    fn message_lists_violations_up_to_length_limit() {
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
