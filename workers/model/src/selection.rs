//! Which objects of a scope a job of a schedule matches: those of a window of the scope's own, but for uploads in parts.
//!
//! The LastModified of an object that was uploaded in parts is the moment at which its upload was *initiated* (S3 user guide), so it may
//! appear days after a window was crawled that its time lies in. Uploads that are open when a run begins are therefore left out of that
//! run, and taken in by the first one that finds them closed. See `docs/schedules.md`.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::job::Window;
use crate::object::ObjectRef;

/// By how much an object's LastModified may differ from the initiation that S3 lists: both have whole seconds, and either may be rounded.
pub const TOLERANCE: SignedDuration = SignedDuration::from_secs(1);

/// An upload in parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    pub key: String,
    pub upload_id: String,
    pub initiated: Timestamp,
}

/// What lies at `work/<job>/selection/<scope index>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selection {
    pub window: Window,
    /// Still open: what appears of them during the crawl is a later run's.
    #[serde(default)]
    pub left_out: Vec<Upload>,
    /// Closed since the run that left them out.
    #[serde(default)]
    pub taken_in: Vec<Upload>,
}

/// A [`Selection`] or a plain window, ready to be asked about millions of objects.
#[derive(Debug)]
pub struct Matching {
    window: Window,
    left_out: HashMap<String, Vec<Timestamp>>,
    taken_in: HashMap<String, Vec<Timestamp>>,
}

impl Matching {
    pub fn matches(&self, object: &ObjectRef) -> bool {
        let is_of = |uploads: &HashMap<String, Vec<Timestamp>>| {
            let same = |initiated: &Timestamp| object.last_modified.duration_since(*initiated).abs() <= TOLERANCE;
            uploads.get(&object.key).is_some_and(|initiated| initiated.iter().any(same))
        };
        // of two uploads of one key and time, the one that is still open decides: it will be taken in once
        (self.window.contains(object.last_modified) || is_of(&self.taken_in)) && !is_of(&self.left_out)
    }
}

impl From<Window> for Matching {
    fn from(window: Window) -> Self {
        Self { window, left_out: HashMap::new(), taken_in: HashMap::new() }
    }
}

impl From<Selection> for Matching {
    fn from(selection: Selection) -> Self {
        let by_key = |uploads: Vec<Upload>| {
            let mut found: HashMap<String, Vec<Timestamp>> = HashMap::new();
            for upload in uploads {
                found.entry(upload.key).or_default().push(upload.initiated);
            }
            found
        };
        Self { window: selection.window, left_out: by_key(selection.left_out), taken_in: by_key(selection.taken_in) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{ETag, StorageClass};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a timestamp")
    }

    fn object(key: &str, second: i64) -> ObjectRef {
        ObjectRef {
            bucket: "bucket".into(),
            key: key.into(),
            version_id: None,
            etag: ETag::from("e"),
            size: 1,
            last_modified: at(second),
            storage_class: StorageClass::standard(),
        }
    }

    fn upload(key: &str, second: i64) -> Upload {
        Upload { key: key.into(), upload_id: "u".into(), initiated: at(second) }
    }

    #[test]
    fn an_open_upload_is_left_out_and_a_closed_one_taken_in_by_key_and_time() {
        let matching = Matching::from(Selection {
            window: Window { from: at(100), to: at(200) },
            left_out: vec![upload("open", 150), upload("twin", 50)],
            taken_in: vec![upload("closed", 50), upload("closed", 60), upload("twin", 50)],
        });
        for (key, second, matches) in [
            ("plain", 100, true),
            ("plain", 200, false),
            ("plain", 99, false),
            ("open", 150, false),
            ("open", 151, false),
            // another object of that key
            ("open", 152, true),
            ("closed", 50, true),
            ("closed", 61, true),
            ("closed", 55, false),
            ("other", 50, false),
            ("twin", 50, false),
        ] {
            assert_eq!(matching.matches(&object(key, second)), matches, "{key} at {second}");
        }
    }

    #[test]
    fn a_plain_window_knows_no_uploads() {
        let matching = Matching::from(Window { from: at(0), to: at(10) });
        assert!(matching.matches(&object("a", 0)) && !matching.matches(&object("a", 10)));
    }
}
