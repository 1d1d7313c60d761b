//! What must hold whatever happened.

use std::collections::BTreeMap;

use super::{Flow, Kind, PRODUCTION, QUARANTINE, STAGING};

impl Flow {
    /// At any moment: what stands in production was scanned, as that version, and called clean.
    pub fn look_at_production(&self) {
        let contents = self.store.contents(PRODUCTION);
        let mut state = self.state();
        for (object, bytes) in contents {
            let content = String::from_utf8(bytes.to_vec()).expect("text");
            let upload = state.uploads.iter().find(|upload| upload.content == content).expect("somebody stored it");
            assert_eq!(upload.kind, Kind::Clean, "`{content}` stands in production");
            assert_eq!(upload.object.key, object.key, "`{content}` stands at another key");
            let version = &upload.object.version_id;
            assert!(version.as_deref().is_some_and(|id| id != "null"), "`{content}` could have been overwritten");
            assert!(
                state.clean.iter().any(|(clean, scanned)| *clean == content && scanned == version),
                "`{content}` was not scanned as version {version:?}"
            );
            if !state.produced.contains(&content) {
                state.produced.push(content);
            }
        }
    }

    /// At the end: nothing is lost, and production has the latest of what was promoted.
    pub fn check(&self) {
        self.look_at_production();
        let (staging, quarantine) = (self.contents(STAGING), self.contents(QUARANTINE));
        let state = self.state();
        let same_second = |a: jiff::Timestamp, b: jiff::Timestamp| a.as_second() == b.as_second();
        for (order, upload) in state.uploads.iter().enumerate() {
            let produced = state.produced.contains(&upload.content);
            let kept = staging.contains(&upload.content) || quarantine.contains(&upload.content);
            let superseded = state.uploads.iter().enumerate().any(|(other, later)| {
                let is_later = other > order
                    || state.order_forged && same_second(later.object.last_modified, upload.object.last_modified);
                is_later && later.object.key == upload.object.key && state.produced.contains(&later.content)
            });
            match upload.kind {
                Kind::Clean => {
                    let there = produced || kept || upload.destroyed || superseded;
                    assert!(there, "`{}` is lost: {:?}", upload.content, *state);
                    assert!(!quarantine.contains(&upload.content), "`{}` is in quarantine", upload.content);
                }
                Kind::Infected | Kind::Unscannable => {
                    assert!(!produced, "`{}` was in production", upload.content);
                    assert!(kept || upload.destroyed, "`{}` is lost", upload.content);
                }
            }
        }
        // the newest of each key that was ever there is what stands there
        let mut newest = BTreeMap::new();
        for upload in state.uploads.iter().filter(|upload| state.produced.contains(&upload.content)) {
            newest.insert(&upload.object.key, &upload.content);
        }
        for (key, content) in newest.into_iter().filter(|_| !state.order_forged) {
            let current = self.store.bytes(PRODUCTION, key).expect("nobody deletes there");
            assert_eq!(current, content.as_bytes(), "an older version of `{key}` replaced a newer one");
        }
    }

    /// Everything that a replay must leave as it is.
    pub fn standing(&self) -> [Vec<String>; 3] {
        [STAGING, PRODUCTION, QUARANTINE].map(|bucket| {
            let mut contents = self.contents(bucket);
            // the records beside quarantined copies tell when
            contents.retain(|content| !content.starts_with('{'));
            contents.sort();
            contents
        })
    }

    /// Every message and every execution again: nothing changes.
    pub async fn check_replay(&self) {
        let before = self.standing();
        self.replay().await;
        assert_eq!(self.standing(), before, "a replay changed something");
    }

    /// Every message and every execution again.
    pub async fn replay(&self) {
        let told = self.state().told.clone();
        self.state().queue.extend(told);
        let records: Vec<String> = self.store.keys(super::RESULTS, "verdicts/");
        for record in records {
            let name = record.trim_start_matches("verdicts/").trim_end_matches(".json").to_owned();
            self.start(&name, "any").await;
        }
        self.settle().await;
        self.check();
    }
}
