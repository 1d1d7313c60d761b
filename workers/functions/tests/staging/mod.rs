//! A staging bucket from upload to production: events, agents that scan by a content's first word, executions and the function.
//!
//! All is over fakes, so that a test decides what happens in which gap between two calls of S3.
#![allow(dead_code, reason = "each test uses its part")]

mod check;
mod moves;

use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use lazaret_actions::promotion::Promotions;
use lazaret_aws::fake::{FailingStore, FakeExecutions, FakeObject, FakeStore};
use lazaret_aws::{Executions, ObjectStore, StoreError};
use lazaret_functions::promote::{Answer, Input, Promote, Step};
use lazaret_model::policy::{Policies, Policy, ProtectedBy, Protection};
use lazaret_model::promotion::{Destination, record_name};
use lazaret_model::verdict::UnscannableReason;
use lazaret_model::*;
use serde_json::json;

pub use moves::{MOVES, Move};

pub const STAGING: &str = "staging";
pub const PRODUCTION: &str = "production";
const QUARANTINE: &str = "quarantine";
const RESULTS: &str = "results";
/// What the message of a crash begins with.
pub const CRASH: &str = "crash";
/// Between two things that happen: several fall into one second, which is all that S3 tells.
const TICK_MS: i64 = 137;

/// The first word of a content, by which it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Clean,
    Infected,
    Unscannable,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Clean, Self::Infected, Self::Unscannable];

    fn word(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Infected => "infected",
            Self::Unscannable => "unscannable",
        }
    }
}

/// One version that was ever stored. No two have the same bytes.
#[derive(Debug, Clone)]
struct Upload {
    object: ObjectRef,
    content: String,
    kind: Kind,
    /// Deleted or overwritten by its owner, where versions were suspended.
    destroyed: bool,
}

#[derive(Debug, Default)]
struct State {
    clock_ms: i64,
    /// In the order in which they were stored.
    uploads: Vec<Upload>,
    /// Messages, by the version that each tells of.
    queue: Vec<ObjectRef>,
    /// All that ever were in the queue.
    told: Vec<ObjectRef>,
    /// Contents that were called clean, and the version that was scanned.
    clean: Vec<(String, Option<String>)>,
    /// Contents that stood in production at any time, in the order in which they were seen.
    produced: Vec<String>,
    /// An event's time was forged: within a second the order is its forger's.
    order_forged: bool,
}

/// The account.
#[derive(Clone)]
pub struct Flow {
    pub store: FakeStore,
    /// What agents and the function use.
    pub s3: FailingStore,
    executions: FakeExecutions,
    state: Arc<Mutex<State>>,
}

impl Flow {
    pub fn new(production_versioned: bool) -> Self {
        let store =
            FakeStore::new().with_versioned_bucket(STAGING).with_versioned_bucket(QUARANTINE).with_bucket(RESULTS);
        store.create_bucket(PRODUCTION, production_versioned);
        let to = Destination { bucket: PRODUCTION.into(), prefix: String::new() };
        let protection = Protection::new(Timestamp::UNIX_EPOCH, ProtectedBy::Command).promoting_to(to);
        let policy = Policy { protection: Some(protection), ..Policy::default() };
        let policies = Policies { buckets: [(STAGING.to_owned(), policy)].into(), ..Policies::default() };
        store.insert(RESULTS, layout::POLICIES_KEY, serde_json::to_vec(&policies).expect("JSON"));
        let state = State { clock_ms: 1_767_225_600_000, ..State::default() };
        let flow = Self {
            s3: FailingStore::new(store.clone()),
            store,
            executions: FakeExecutions::new(),
            state: Arc::new(Mutex::new(state)),
        };
        let looking = flow.clone();
        flow.s3.faults.meanwhile_always(lazaret_aws::fake::ANY, move || looking.look_at_production());
        flow
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics while holding it")
    }

    /// Time goes on.
    fn tick(&self) -> Timestamp {
        let mut state = self.state();
        state.clock_ms += TICK_MS;
        Timestamp::from_millisecond(state.clock_ms).expect("a time")
    }

    /// Stores an object, of which S3 tells.
    pub fn upload(&self, key: &str, kind: Kind, dressed: impl FnOnce(FakeObject) -> FakeObject) {
        let now = self.tick();
        let content = format!("{} {}", kind.word(), self.state().uploads.len());
        let second = Timestamp::from_second(now.as_second()).expect("a time");
        let object = dressed(FakeObject::new(content.clone()).modified(second));
        self.as_owner(|| drop(self.store.insert_object(STAGING, key, object)));
        let object = ObjectRef { last_modified: now, ..self.store.pinned_ref(STAGING, key) };
        let mut state = self.state();
        state.queue.push(object.clone());
        state.told.push(object.clone());
        state.uploads.push(Upload { object, content, kind, destroyed: false });
    }

    /// Something that the owner of the bucket does: what it destroys, we did not lose.
    fn as_owner(&self, does: impl FnOnce()) {
        let before = self.contents(STAGING);
        does();
        let after = self.contents(STAGING);
        let gone = |upload: &&mut Upload| before.contains(&upload.content) && !after.contains(&upload.content);
        self.state().uploads.iter_mut().filter(gone).for_each(|upload| upload.destroyed = true);
    }

    fn contents(&self, bucket: &str) -> Vec<String> {
        let text = |bytes: bytes::Bytes| String::from_utf8(bytes.to_vec()).expect("text");
        self.store.contents(bucket).into_iter().map(|(_, bytes)| text(bytes)).collect()
    }

    /// Takes a message, the `at`th modulo their number. It comes again unless it is confirmed.
    pub fn receive(&self, at: usize) -> Option<ObjectRef> {
        let state = self.state();
        let count = state.queue.len();
        (count > 0).then(|| state.queue[at % count].clone())
    }

    fn confirm(&self, message: &ObjectRef) {
        let mut state = self.state();
        if let Some(at) = state.queue.iter().position(|one| one == message) {
            state.queue.remove(at);
        }
    }

    /// One delivery to an agent. `in_a_job` it knows the date as a listing tells it.
    pub async fn deliver(&self, message: ObjectRef, in_a_job: bool) {
        if let Ok(()) = self.scan(&message, in_a_job).await {
            self.confirm(&message);
        }
    }

    async fn scan(&self, message: &ObjectRef, in_a_job: bool) -> Result<(), ()> {
        let mut fetched = match self.s3.fetch(message).await {
            Ok(fetched) => fetched,
            Err(StoreError::NotFound | StoreError::PreconditionFailed) => return Ok(()),
            Err(_) => return Err(()),
        };
        let mut bytes = Vec::new();
        while let Some(chunk) = fetched.body.chunk().await.map_err(drop)? {
            bytes.extend_from_slice(&chunk);
        }
        let content = String::from_utf8(bytes).expect("text");
        let verdict = match content.split(' ').next() {
            Some("clean") => Verdict::Clean,
            Some("infected") => crate::world::infected(),
            _ => Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: String::new() },
        };
        let mut object = ObjectRef { version_id: fetched.version_id, ..message.clone() };
        if in_a_job {
            object.last_modified = Timestamp::from_second(object.last_modified.as_second()).expect("a time");
        }
        if verdict == Verdict::Clean {
            self.state().clean.push((content, object.version_id.clone()));
        }
        let name = record_name(&object, &verdict);
        let row = ResultRow { object, verdict, action: None, scanned_at: self.tick(), evidence: Evidence::default() };
        let executions = Arc::new(self.executions.clone());
        let promotions = Promotions { executions, results_bucket: RESULTS.into() };
        promotions.start(&self.s3, &row, &name).await.map_err(drop)
    }

    /// Whoever may start executions starts one.
    pub async fn start(&self, record: &str, key: &str) {
        let count = self.executions.list(10_000).await.expect("a list").len();
        let input = json!({"record": record, "bucket": STAGING, "key": key, "verdict": "Clean"});
        self.executions.start(&format!("forged-{count}"), &input).await.expect("started");
    }

    pub async fn running(&self) -> Vec<String> {
        let all = self.executions.list(10_000).await.expect("a list");
        let running =
            |one: &lazaret_aws::executions::Execution| one.status == lazaret_aws::executions::ExecutionStatus::Running;
        all.into_iter().filter(running).map(|one| one.name).collect()
    }

    /// What the state machine does.
    pub async fn execute(&self, name: String) {
        let execution = self.executions.describe(&name).await.expect("an answer").expect("an execution");
        let record = execution.input.expect("an input")["record"].as_str().expect("a record").to_owned();
        match self.steps(&record).await {
            Ok(done) => self.executions.succeed(&name, json!(done)),
            Err(failure) => self.executions.fail(&name, failure.name(), ""),
        }
    }

    async fn steps(&self, record: &str) -> Result<Answer, Failure> {
        let Answer::Found(found) = self.call(Step::Read, record).await? else { panic!("another step's answer") };
        let step = match found.verdict.as_str() {
            "Clean" | "InfectedAllowed" => Step::Promote,
            "Infected" => Step::Quarantine,
            _ => Step::Hold,
        };
        self.call(step, record).await
    }

    /// A call of the function, and again after a crash or a failure that may pass.
    pub async fn call(&self, step: Step, record: &str) -> Result<Answer, Failure> {
        let function = Promote {
            store: Arc::new(self.s3.clone()),
            results_bucket: RESULTS.into(),
            quarantine_bucket: QUARANTINE.into(),
        };
        let mut attempts = 0;
        loop {
            attempts += 1;
            match function.handle(Input { step, record: record.to_owned() }).await {
                Err(error) if attempts < 5 && (error.failure.retryable() || error.message.contains(CRASH)) => {}
                answer => return answer.map_err(|error| error.failure),
            }
        }
    }

    /// Until no message and no execution is left.
    pub async fn settle(&self) {
        for _ in 0..1_000 {
            if let Some(message) = self.receive(0) {
                self.deliver(message, false).await;
            } else if let Some(name) = self.running().await.pop() {
                self.execute(name).await;
            } else {
                return;
            }
        }
        panic!("it goes on for ever: {:?}", self.state());
    }
}
