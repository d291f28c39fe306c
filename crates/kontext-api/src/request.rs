//! Plain values as image URLs of a request.
//!
//! Everything goes by way of the conversions that the generator writes, from one
//! [`Uri`] and from a list of them. No field of a request is named here, so a
//! property that the provider renames needs no change.

use url::Url;

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

image_url_from!(&str, String, &String, Url, &Url, &Uri);

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
