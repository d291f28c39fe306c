//! Planted secrets, and a byte-level search for them.

use std::{fs, path::Path};

use crate::http;

/// A distinctive text that tests plant as a secret.
pub(crate) struct Secret {
    pub(crate) plain: String,
}

impl Secret {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            plain: format!("{name}-Pl4nted~S3cret/of+this=Test"),
        }
    }

    /// Percent-encodes every byte.
    pub(crate) fn percent(&self) -> String {
        let bytes = self.plain.bytes();
        bytes.map(|byte| format!("%{byte:02X}")).collect()
    }

    /// Encoded for a query string.
    pub(crate) fn encoded(&self) -> String {
        url::form_urlencoded::byte_serialize(self.plain.as_bytes()).collect()
    }

    pub(crate) fn base64(&self) -> String {
        base64(self.plain.as_bytes())
    }

    /// Escapes every character as in JSON.
    pub(crate) fn escaped(&self) -> String {
        let characters = self.plain.chars();
        characters
            .map(|one| format!("\\u{:04x}", u32::from(one)))
            .collect()
    }

    /// The spellings to search for.
    fn spellings(&self) -> Vec<String> {
        let mut all = vec![
            self.plain.clone(),
            self.percent(),
            self.percent().to_lowercase(),
            self.encoded(),
            self.escaped(),
            // JSON allows a slash to be escaped, but does not require it.
            self.plain.replace('/', "\\/"),
        ];
        // In a longer text, the preceding bytes shift the base64 digits.
        for shift in 0..3 {
            let shifted = [vec![0; shift], self.plain.clone().into_bytes()].concat();
            let text = base64(&shifted);
            let start = [0, 2, 3][shift];
            let end = (shifted.len() / 3) * 4;
            all.push(text[start..end].to_owned());
        }
        all
    }

    /// Whether these bytes contain it in any spelling.
    pub(crate) fn is_in(&self, bytes: &[u8]) -> bool {
        self.spellings().iter().any(|spelling| {
            let spelling = spelling.as_bytes();
            bytes
                .windows(spelling.len())
                .any(|window| window == spelling)
        })
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let padded = group.iter().chain(&[0, 0]).take(3);
        let number = padded.fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        for digit in 0..4 {
            text.push(if digit <= group.len() {
                char::from(DIGITS[number >> (18 - 6 * digit) & 63])
            } else {
                '='
            });
        }
    }
    text
}

/// The names and contents of everything in a folder.
pub(crate) fn everything(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        all.extend_from_slice(path.file_name().unwrap().as_encoded_bytes());
        all.push(b'\n');
        if path.is_dir() {
            all.append(&mut everything(&path));
        } else {
            all.append(&mut fs::read(&path).unwrap());
        }
        all.push(b'\n');
    }
    all
}

/// A prompt with the secret in several spellings.
pub(crate) fn mention(secret: &Secret) -> String {
    format!(
        "{} {} {} {}",
        secret.plain,
        secret.percent(),
        secret.base64(),
        base64(format!("token:{}", secret.plain).as_bytes())
    )
}

/// Sends a request with secrets in its headers.
pub(crate) fn send_with(
    address: std::net::SocketAddr,
    path: &str,
    key: &Secret,
    cookie: &Secret,
    body: &[u8],
) -> http::Answer {
    let headers = [
        ("authorization", &*format!("Bearer {}", key.plain)),
        ("cookie", &*format!("session={}; theme=dark", cookie.plain)),
        ("content-type", "application/json"),
    ];
    http::send(address, "POST", path, &headers, body)
}

#[test]
fn is_in_finds_every_encoding_of_secret() {
    let secret = Secret::new("find");
    for text in [
        secret.plain.clone(),
        format!("x{}", secret.percent()),
        secret.percent().to_lowercase(),
        secret.escaped(),
        secret.encoded(),
        secret.base64(),
        base64(format!("a{}b", secret.plain).as_bytes()),
        base64(format!("ab{}", secret.plain).as_bytes()),
        base64(format!("abc{}cd", secret.plain).as_bytes()),
    ] {
        assert!(secret.is_in(text.as_bytes()), "{text}");
    }
    assert!(!secret.is_in(Secret::new("other").plain.as_bytes()));
}
