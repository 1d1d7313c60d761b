//! Keys and tags in headers and listings.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use lazaret_model::tags::Tag;

/// RFC 3986's unreserved characters stay as they are.
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// In a path the slash is no part of a name.
const PATH: AsciiSet = UNRESERVED.remove(b'/');

/// `x-amz-copy-source`: bucket and key, URL-encoded, and the version if there is one.
pub(super) fn copy_source(bucket: &str, key: &str, version_id: Option<&str>) -> String {
    let source = format!("{bucket}/{}", utf8_percent_encode(key, &PATH));
    match version_id {
        Some(version) => format!("{source}?versionId={}", utf8_percent_encode(version, &UNRESERVED)),
        None => source,
    }
}

/// `x-amz-tagging`: tags as a URL's query.
pub(super) fn tagging(tags: &[Tag]) -> String {
    let encode = |text| utf8_percent_encode(text, &UNRESERVED).to_string();
    let pairs: Vec<String> = tags.iter().map(|tag| format!("{}={}", encode(&tag.key), encode(&tag.value))).collect();
    pairs.join("&")
}

/// A key of a listing with `encoding-type=url`: a `+` is a space, the rest is percent-encoded. `None` if it is not UTF-8.
pub(super) fn listed_key(encoded: &str) -> Option<String> {
    let spaced = encoded.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|key| key.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_source_survives_every_key() {
        for (key, encoded) in [
            ("plain/key.txt", "b/plain/key.txt"),
            ("a b+c%20d?e#f&g=h", "b/a%20b%2Bc%2520d%3Fe%23f%26g%3Dh"),
            ("//../\u{1}\n", "b///../%01%0A"),
            ("🦀", "b/%F0%9F%A6%80"),
        ] {
            assert_eq!(copy_source("b", key, None), encoded);
        }
        assert_eq!(copy_source("b", "k", Some("v+/=1")), "b/k?versionId=v%2B%2F%3D1");
    }

    #[test]
    fn tags_become_a_query() {
        let tag = |key: &str, value: &str| Tag { key: key.into(), value: value.into() };
        assert_eq!(tagging(&[tag("a b", "1+2=3"), tag("c", "ü&")]), "a%20b=1%2B2%3D3&c=%C3%BC%26");
        assert_eq!(tagging(&[]), "");
    }

    #[test]
    fn a_listed_key_is_decoded_as_s3_encodes_it() {
        assert_eq!(listed_key("a+b%2Bc%2520d%01%F0%9F%A6%80").as_deref(), Some("a b+c%20d\u{1}🦀"));
        assert_eq!(listed_key("%FF"), None);
    }
}
