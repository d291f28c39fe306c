//! Hop-by-hop headers, which are not forwarded.

use axum::http::{
    HeaderMap,
    header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, EXPECT, HOST},
};

/// The hop-by-hop headers (RFC 9110, section 7.6.1).
const OF_CONNECTION: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The request headers to forward upstream: all except hop-by-hop headers, those that
/// are set anew, and those for the mock.
pub(crate) fn of_request(headers: &HeaderMap) -> HeaderMap {
    let mut kept = end_to_end(headers);
    for name in headers.keys() {
        let is_set_anew = [HOST, CONTENT_LENGTH, EXPECT, ACCEPT_ENCODING].contains(name);
        if is_set_anew || name.as_str().starts_with("x-kontext-") {
            kept.remove(name);
        }
    }
    kept
}

/// The headers without those of the connection; a response has no others to drop.
pub(crate) fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let text = name.as_str();
        if !OF_CONNECTION.contains(&text) && !named.iter().any(|other| other == text) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn hop_by_hop_headers_are_removed() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("host", "here"),
            ("content-length", "3"),
            ("accept-encoding", "gzip"),
            ("x-kontext-session", "s"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let kept = of_request(&headers);
        assert_eq!(kept.get_all("cookie").iter().count(), 2);
        assert_eq!(kept.keys_len(), 1);
        let kept = end_to_end(&headers);
        assert!(kept.contains_key("content-length") && !kept.contains_key("x-hop"));
    }
}
