//! Media types that the API reads and writes.

use axum::http::HeaderMap;
use axum::http::header::HeaderName;

pub(crate) const JSON: &str = "application/json";
pub(crate) const TOML: &str = "application/toml";

/// Whether the first media type in the header field is this one, whatever its parameters are.
pub(crate) fn is_media_type(headers: &HeaderMap, name: HeaderName, media_type: &str) -> bool {
    let Some(text) = headers.get(name).and_then(|value| value.to_str().ok()) else { return false };
    let first = text.split([';', ',']).next().unwrap_or_default().trim();
    first.eq_ignore_ascii_case(media_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use axum::http::header::{ACCEPT, CONTENT_TYPE};

    #[test]
    fn parameters_and_case_do_not_matter() {
        for (written, same) in [
            ("application/toml", true),
            ("Application/TOML; charset=utf-8", true),
            ("application/toml, */*", true),
            ("application/tomlx", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(written));
            assert_eq!(is_media_type(&headers, CONTENT_TYPE, TOML), same, "{written}");
            assert!(!is_media_type(&headers, ACCEPT, TOML));
        }
    }
}
