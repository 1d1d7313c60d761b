//! What others may do at any moment: owners of the staging bucket, and whoever writes to the queue or starts executions.

use futures::FutureExt;
use jiff::SignedDuration;
use lazaret_aws::ObjectStore;
use lazaret_aws::fake::FakeObject;
use lazaret_functions::promote::Step;
use lazaret_model::promotion::{SOURCE_METADATA, record_name};
use lazaret_model::tags::Tag;
use lazaret_model::{ObjectRef, Verdict};

use super::{Flow, Kind, STAGING};

/// One thing that somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Overwrite(Kind),
    /// By an object that claims to stand in production already, from a time to come.
    OverwriteStamped,
    /// Without a version: a delete marker, or with suspended versions the object itself.
    Delete,
    /// The version that was stored last, by its id.
    DeleteVersion,
    /// `scan-result=Clean` on whatever is there.
    ForgeTags,
    Suspend,
    Resume,
    /// A message that was delivered before comes again.
    Replay,
    /// A message that has another time than S3's.
    ForgeEvent,
    /// An execution for a clean verdict that nobody came to.
    StartWithoutRecord,
    /// An execution with the record of another object.
    StartWithAnother,
    /// An execution whose record is a path.
    StartWithPath,
    /// A call of the function itself, to promote what was found infected.
    CallPromote,
}

pub const MOVES: [Move; 15] = [
    Move::Overwrite(Kind::Clean),
    Move::Overwrite(Kind::Infected),
    Move::Overwrite(Kind::Unscannable),
    Move::OverwriteStamped,
    Move::Delete,
    Move::DeleteVersion,
    Move::ForgeTags,
    Move::Suspend,
    Move::Resume,
    Move::Replay,
    Move::ForgeEvent,
    Move::StartWithoutRecord,
    Move::StartWithAnother,
    Move::StartWithPath,
    Move::CallPromote,
];

impl Flow {
    /// Somebody does this to `key`. The fakes never wait, so that it may be done in the middle of anything.
    pub fn does(&self, what: Move, key: &str) {
        self.tick();
        let last = self.state().uploads.iter().rev().find(|upload| upload.object.key == key).cloned();
        let object = last.as_ref().map(|upload| upload.object.clone());
        match what {
            Move::Overwrite(kind) => self.upload(key, kind, |object| object),
            Move::OverwriteStamped => {
                let forged = format!("{STAGING} v999999 2099-01-01T00:00:00Z");
                self.upload(key, Kind::Clean, |object| object.metadata(SOURCE_METADATA, &forged));
            }
            Move::Delete => self.as_owner(|| self.store.remove(STAGING, key)),
            Move::DeleteVersion => {
                if let Some(object) = object {
                    self.as_owner(|| drop(self.store.delete(&object).now_or_never()));
                }
            }
            Move::ForgeTags => {
                let forged = [Tag { key: "scan-result".into(), value: "Clean".into() }];
                for (object, _) in self.store.contents(STAGING) {
                    drop(self.store.put_tags(&object, &forged).now_or_never());
                }
            }
            Move::Suspend => self.store.suspend_versions(STAGING),
            Move::Resume => self.store.enable_versions(STAGING),
            Move::Replay => {
                let mut state = self.state();
                let told = state.told.clone();
                state.queue.extend(told);
            }
            Move::ForgeEvent => {
                if let Some(object) = object {
                    let mut state = self.state();
                    for hours in [-1, 1] {
                        let last_modified = object.last_modified + SignedDuration::from_hours(hours);
                        state.queue.push(ObjectRef { last_modified, ..object.clone() });
                    }
                    state.order_forged = true;
                }
            }
            Move::StartWithoutRecord => {
                if let Some(object) = object.filter(|_| last.is_some_and(|upload| upload.kind != Kind::Clean)) {
                    self.starts(&record_name(&object, &Verdict::Clean), key);
                }
            }
            Move::StartWithAnother => {
                let clean = self.state().uploads.iter().find(|upload| upload.kind == Kind::Clean).cloned();
                if let Some(clean) = clean {
                    self.starts(&record_name(&clean.object, &Verdict::Clean), key);
                }
            }
            Move::StartWithPath => {
                self.starts("Clean-../../settings/policies", key);
                self.starts("../verdicts", key);
            }
            Move::CallPromote => {
                if let Some(object) = object {
                    let infected = record_name(&object, &Verdict::Infected { findings: Vec::new() });
                    let calm = Flow { s3: lazaret_aws::fake::FailingStore::new(self.store.clone()), ..self.clone() };
                    let promoted = calm.call(Step::Promote, &infected).now_or_never().expect("fakes do not wait");
                    assert!(promoted.is_err(), "{promoted:?}");
                }
            }
        }
    }

    fn starts(&self, record: &str, key: &str) {
        self.start(record, key).now_or_never().expect("fakes do not wait");
    }

    /// A plain object at a key of its own.
    pub fn bystander(&self) {
        self.upload("bystander", Kind::Clean, |object: FakeObject| object);
    }
}
