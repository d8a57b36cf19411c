//! The parts of a URL that tell whom a flow talks to. No more of the syntax is looked at.

/// A URL taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Host and port, without name and password.
    pub(super) authority: &'a str,
    /// Without the leading slash, query and fragment.
    pub(super) path: &'a str,
}

/// Takes a URL with a scheme apart; `None` for anything else.
pub(super) fn target(url: &str) -> Option<Target<'_>> {
    let (_, rest) = url.split_once("://")?;
    let rest = rest.split(['?', '#']).next()?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    Some(Target { authority: authority.rsplit('@').next()?, path })
}

/// The URL as it may be shown: without name and password, query and fragment.
pub(super) fn shown(url: &str) -> String {
    match (url.split_once("://"), target(url)) {
        (Some((scheme, _)), Some(Target { authority, path: "" })) => format!("{scheme}://{authority}"),
        (Some((scheme, _)), Some(Target { authority, path })) => format!("{scheme}://{authority}/{path}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_is_secret() {
        for (url, expected) in [
            ("http://127.0.0.1:9090/a/b?x=1#y", "http://127.0.0.1:9090/a/b"),
            ("https://me:secret@host/+", "https://host/+"),
            ("https://host", "https://host"),
            ("data.db", "data.db"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }
}
