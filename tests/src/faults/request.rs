//! Detects where an HTTP/1.1 request ends.

/// Whether the head and the body that it announces have arrived.
pub(super) fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let body = &request[end + 4..];
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let value = |name: &str| {
        head.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
    };
    if value("transfer-encoding").is_some() {
        return body.ends_with(b"0\r\n\r\n");
    }
    let length = value("content-length").and_then(|length| length.parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// The first word of a request.
pub(super) fn method(request: &[u8]) -> String {
    let word = request.split(|byte| *byte == b' ').next();
    String::from_utf8_lossy(word.unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_complete_when_its_body_is() {
        for (request, whole) in [
            ("POST / HTTP/1.1\r\ncontent-le", false),
            ("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{", false),
            ("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", true),
            (
                "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
                false,
            ),
            (
                "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                true,
            ),
            ("GET / HTTP/1.1\r\n\r\n", true),
        ] {
            assert_eq!(is_whole(request.as_bytes()), whole, "{request}");
        }
        assert_eq!(method(b"POST /v1 HTTP/1.1"), "POST");
    }
}
