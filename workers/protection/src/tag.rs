//! `lazaret:protect`: what a tag on a bucket asks for.

use lazaret_model::tags::Tag;

use crate::check::parse_destination;
use crate::protect::Flow;

/// The tag's key.
pub const PROTECT_TAG: &str = "lazaret:protect";

/// The tag by which a production bucket lets staging buckets promote to it that only a tag protects: their names, with spaces between
/// them. Whoever may tag a bucket of their own could else write to any production bucket through the function that promotes.
pub const ACCEPT_TAG: &str = "lazaret:accept-from";

/// Whether a bucket with these tags takes what is promoted from `staging`.
pub fn accepts(tags: &[Tag], staging: &str) -> bool {
    let named = tags.iter().filter(|tag| tag.key == ACCEPT_TAG).flat_map(|tag| tag.value.split_whitespace());
    named.into_iter().any(|name| name == staging)
}

/// What the tag says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    Protect(Flow),
    /// `off`, or no tag at all.
    Nothing,
}

/// A value that asks for nothing that is known: such a bucket is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tag `{PROTECT_TAG}` is `{}`: write standard, two-bucket=DEST, two-bucket=DEST/PREFIX or off", .0.escape_debug())]
pub struct BadTag(pub String);

/// Reads a bucket's tags.
///
/// # Errors
/// If the tag is there and asks for nothing that is known.
pub fn asked(tags: &[Tag]) -> Result<Asked, BadTag> {
    let Some(tag) = tags.iter().find(|tag| tag.key == PROTECT_TAG) else { return Ok(Asked::Nothing) };
    let value = tag.value.trim();
    match value {
        "" | "standard" | "true" => return Ok(Asked::Protect(Flow::Standard)),
        "off" | "false" => return Ok(Asked::Nothing),
        _ => {}
    }
    let to = value.strip_prefix("two-bucket=").and_then(|to| parse_destination(to).ok());
    to.map(|to| Asked::Protect(Flow::TwoBucket(to))).ok_or_else(|| BadTag(tag.value.clone()))
}

#[cfg(test)]
mod tests {
    use lazaret_model::promotion::Destination;

    use super::*;

    fn read(value: &str) -> Result<Asked, BadTag> {
        asked(&[Tag { key: "team".into(), value: "a".into() }, Tag { key: PROTECT_TAG.into(), value: value.into() }])
    }

    #[test]
    fn a_bucket_accepts_only_those_that_it_names() {
        let tags = [Tag { key: ACCEPT_TAG.into(), value: "uploads other".into() }];
        assert!(accepts(&tags, "uploads") && accepts(&tags, "other"));
        assert!(!accepts(&tags, "up") && !accepts(&tags, "uploads other") && !accepts(&[], "uploads"));
    }

    #[test]
    fn values_are_few_and_whatever_else_there_is_changes_nothing() {
        for value in ["", "standard", "true", " standard "] {
            assert_eq!(read(value), Ok(Asked::Protect(Flow::Standard)), "{value}");
        }
        assert_eq!((read("off"), asked(&[])), (Ok(Asked::Nothing), Ok(Asked::Nothing)));
        let to = Destination { bucket: "production".into(), prefix: "in/".into() };
        assert_eq!(read("two-bucket=production/in/"), Ok(Asked::Protect(Flow::TwoBucket(to))));
        for value in ["yes", "two-bucket", "two-bucket=", "two-bucket=NO", "two-bucket=/in"] {
            let why = read(value).expect_err(value).to_string();
            assert!(why.contains(value) && why.contains("two-bucket=DEST/PREFIX"), "{why}");
        }
    }
}
