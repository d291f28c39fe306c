//! What a request can do that is not generated: plain values as image URLs.
//!
//! Everything goes by way of the conversions that the generator writes, from one
//! [`Uri`] and from a list of them. No field of a request is named here, so a
//! property that the provider renames needs no change.

use url::Url;

use crate::input::InputImage;
use crate::types::ImageUrl;
use crate::uri::Uri;

/// One URL, and vectors. Vectors are listed by type because the generator writes
/// the one of [`Uri`], which a general conversion would contradict.
macro_rules! image_url_from {
    ($($kind:ty),*) => {$(
        impl From<$kind> for ImageUrl {
            fn from(url: $kind) -> Self {
                Uri::from(url).into()
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
    &str,
    String,
    &String,
    Url,
    &Url,
    &Uri,
    InputImage,
    &InputImage
);

impl<T: Into<Uri>> FromIterator<T> for ImageUrl {
    fn from_iter<I: IntoIterator<Item = T>>(urls: I) -> Self {
        list(urls)
    }
}

impl<T: Into<Uri>, const N: usize> From<[T; N]> for ImageUrl {
    fn from(urls: [T; N]) -> Self {
        list(urls)
    }
}

impl<T: Into<Uri> + Clone, const N: usize> From<&[T; N]> for ImageUrl {
    fn from(urls: &[T; N]) -> Self {
        list(urls.iter().cloned())
    }
}

impl<T: Into<Uri> + Clone> From<&[T]> for ImageUrl {
    fn from(urls: &[T]) -> Self {
        list(urls.iter().cloned())
    }
}

impl<T: Into<Uri> + Clone> From<&Vec<T>> for ImageUrl {
    fn from(urls: &Vec<T>) -> Self {
        list(urls.iter().cloned())
    }
}

fn list(urls: impl IntoIterator<Item: Into<Uri>>) -> ImageUrl {
    urls.into_iter()
        .map(Into::into)
        .collect::<Vec<Uri>>()
        .into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use crate::GenerateImageRequest;

    #[test]
    fn a_request_that_changed_since_it_was_built_can_be_checked() {
        let builder = GenerateImageRequest::builder().prompt("p");
        let mut request = builder.image_url("https://example.com").build().unwrap();
        assert_eq!(request.check(), Ok(()));
        request.num_images = Some(5);
        let error = request.check().unwrap_err();
        assert_eq!(error.violations().len(), 1);
        assert_eq!(error.violations()[0].field(), "num_images");
    }
}
