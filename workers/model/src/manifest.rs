//! A published version of the definitions: what it holds, and the pointer that says which one is in force.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::definitions::DefinitionsStamp;

/// Bytes of a version's or a file's name. ClamAV's own have 12.
const MAX_NAME_BYTES: usize = 128;

/// A text that can't be the name of a version, or of a file in one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not the name of a {what}: letters, digits, `.`, `_` and `-` make one, up to {MAX_NAME_BYTES} of them, and it begins \
     with a letter or digit",
    text.escape_debug()
)]
pub struct BadName {
    what: &'static str,
    text: String,
}

/// Names end up as keys in S3 and as files on a disk: nothing in them leads anywhere else.
fn check(what: &'static str, text: &str) -> Result<String, BadName> {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if first && rest && text.len() <= MAX_NAME_BYTES {
        Ok(text.to_owned())
    } else {
        Err(BadName { what, text: text.chars().take(MAX_NAME_BYTES).collect() })
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident is $what:literal,)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                check($what, text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                check($what, &text).map(Self)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

names! {
    /// Names a set by its content: the same files have the same version wherever they are published.
    DefinitionsVersion is "definitions version",
    /// A file of a set (`daily.cvd`).
    DefinitionsFileName is "definitions file",
}

/// One file of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionsFile {
    pub name: DefinitionsFileName,
    pub bytes: u64,
    /// In hex.
    pub sha256: String,
}

/// `manifest.json` of a version. Written once, after all its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefinitionsManifest {
    pub version: DefinitionsVersion,
    /// By the header of ClamAV's daily set; for a set without one, when its newest file was last changed.
    pub built_at: Timestamp,
    pub published_at: Timestamp,
    /// What the engine loaded of it, when it was tested.
    pub signatures: u64,
    /// The engine that tested it.
    pub engine_version: String,
    /// In the order of their names.
    pub files: Vec<DefinitionsFile>,
}

impl DefinitionsManifest {
    pub fn stamp(&self) -> DefinitionsStamp {
        DefinitionsStamp { version: self.version.to_string(), built_at: Some(self.built_at) }
    }

    /// Of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }
}

/// `definitions/current.json`: the version in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefinitionsPointer {
    pub version: DefinitionsVersion,
    /// Of the manifest's bytes, in hex: who trusts the pointer can trust all that it leads to.
    pub manifest_sha256: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        for good in ["daily.cvd", "main.cld", "my-rules_2.ndb", "daily-27456-0123456789abcdef"] {
            assert_eq!(good.parse::<DefinitionsFileName>().expect(good).as_str(), good);
        }
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        for bad in ["", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden", "a\0", "a b", "ü", "-x", long.as_str()] {
            assert!(bad.parse::<DefinitionsFileName>().is_err(), "{bad}");
            assert!(bad.parse::<DefinitionsVersion>().is_err(), "{bad}");
            let json = serde_json::to_string(bad).expect("JSON");
            assert!(serde_json::from_str::<DefinitionsFileName>(&json).is_err(), "{bad}");
        }
    }
}
