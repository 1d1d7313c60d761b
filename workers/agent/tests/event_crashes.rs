//! Event agents that die at any point, beside each other and beside an owner who goes on: every object comes to its end once.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use common::events::*;
use common::*;
use lazaret_actions::ActError;
use lazaret_actions::uncover::UNCOVERED;
use lazaret_agent::AgentError;
use lazaret_aws::ObjectStore;
use lazaret_aws::fake::{ANY, FakeObject};
use lazaret_aws::objects::StoreError;
use lazaret_model::announcement::ScanResult;
use lazaret_model::policy::InfectedAction;
use lazaret_model::quarantine::quarantine_key;
use lazaret_model::{ActionOutcome, ObjectRef, Verdict};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::sleep;

const OBJECTS: [(&str, &str); 4] = [("a", "plain"), ("b", "a virus"), ("c", "encrypted"), ("d", "crash")];

/// Longer than any test's clock runs.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Which port a crash happens at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Store,
    DeleteMessage,
    Topic,
    Bus,
}

const PORTS: [Port; 4] = [Port::Store, Port::DeleteMessage, Port::Topic, Port::Bus];

/// Plans that the agent hangs at a call for ever; the returned bell rings when it gets there.
fn hang_at(world: &EventWorld, port: Port, call: u64) -> Arc<Notify> {
    let reached = Arc::new(Notify::new());
    let there = Arc::clone(&reached);
    let ring = move || there.notify_one();
    match port {
        Port::Store => {
            world.store.faults.meanwhile(ANY, call, ring);
            world.store.faults.delay(ANY, call, FOR_EVER);
        }
        Port::DeleteMessage => {
            world.queue.faults.meanwhile("delete", call, ring);
            world.queue.faults.delay("delete", call, FOR_EVER);
        }
        Port::Topic => {
            world.topic.faults.meanwhile("publish", call, ring);
            world.topic.faults.delay("publish", call, FOR_EVER);
        }
        Port::Bus => {
            world.bus.faults.meanwhile("put", call, ring);
            world.bus.faults.delay("put", call, FOR_EVER);
        }
    }
    reached
}

/// Runs an agent until it gets to a call, and kills it there, or until the queue is empty. Says whether it was killed.
async fn crash_at(world: &EventWorld, port: Port, call: u64) -> bool {
    let reached = hang_at(world, port, call);
    tokio::select! {
        biased;
        () = reached.notified() => true, // the agent's future is dropped: nothing of it runs any more
        result = world.run_until(world.settled()) => {
            result.expect("ends as it is told");
            false
        }
    }
}

async fn world_of(bucket: &str, infected: InfectedAction) -> EventWorld {
    let world = EventWorld::with_policies(&policies(|policy| policy.infected = infected)).await;
    for (key, text) in OBJECTS {
        world.put(bucket, key, text);
    }
    world
}

/// What must be the same whatever happened on the way.
async fn end(world: &EventWorld, bucket: &str) -> (Vec<Option<String>>, Vec<String>, usize, BTreeSet<String>) {
    assert!(world.sqs.bodies().is_empty() && world.dead.bodies().is_empty());
    let told = |result: &lazaret_model::announcement::ScanResult| {
        format!("{} {} {:?} {:?} {}", result.key, result.result, result.action, result.action_outcome, result.id)
    };
    let told: BTreeSet<_> = world.told().iter().map(told).collect();
    let published: BTreeSet<_> = world.published().iter().map(|result| result.id.clone()).collect();
    assert_eq!(told.len(), published.len());
    let tags = OBJECTS.iter().map(|(key, _)| world.tag(bucket, key)).collect();
    (tags, world.quarantined(), world.promotions().await, told)
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_call_changes_nothing_in_the_end_and_every_result_is_announced() {
    for (bucket, infected) in [
        (BUCKET, InfectedAction::Move),
        (BUCKET, InfectedAction::Delete),
        (BUCKET, InfectedAction::Keep),
        (VERSIONED, InfectedAction::Move),
        (VERSIONED, InfectedAction::Delete),
        (STAGING, InfectedAction::Move),
    ] {
        let reference = world_of(bucket, infected).await;
        reference.settle().await;
        let expected = end(&reference, bucket).await;
        assert_eq!(expected.3.len(), OBJECTS.len());
        for port in PORTS {
            let mut crashes = 0;
            for call in 1.. {
                let world = world_of(bucket, infected).await;
                if !crash_at(&world, port, call).await {
                    break;
                }
                crashes += 1;
                let world = world.without_faults();
                world.settle().await;
                // what crashes the engine has used up its deliveries when the agent dies over the last of them
                assert!(world.dead.bodies().iter().all(|body| body.contains("\"key\":\"d\"")));
                world.redrive().await;
                world.settle().await;
                assert_eq!(end(&world, bucket).await, expected, "{bucket} {infected:?} after {port:?} {call}");
            }
            assert!(crashes >= if port == Port::Store { 10 } else { 1 }, "{crashes} crashes at {port:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_left_before_its_result_was_announced_is_announced_by_the_next_delivery() {
    for (bucket, infected) in [(BUCKET, InfectedAction::Delete), (VERSIONED, InfectedAction::Delete)] {
        let world = world_of(bucket, infected).await;
        // deleted, and not announced
        assert!(crash_at(&world, Port::Topic, 1).await);
        world.s3.remove(bucket, "a");
        let world = world.without_faults();
        world.settle().await;
        let told: BTreeSet<_> = world.told().into_iter().map(|result| result.key).collect();
        assert!(told.contains("b"), "{told:?}");
    }
    // promoted and gone from staging, and not announced
    let world = EventWorld::new().await;
    world.put(STAGING, "k", "plain");
    assert!(crash_at(&world, Port::Topic, 1).await);
    let promoted = world.s3.pinned_ref(STAGING, "k");
    world.s3.delete(&promoted).await.expect("deleted");
    let world = world.without_faults();
    world.settle().await;
    assert_eq!(world.published().len(), 1);
    assert_eq!((world.published()[0].result.as_str(), world.promotions().await), ("Clean", 1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_changes_nothing() {
    let reference = world_of(BUCKET, InfectedAction::Move).await;
    reference.settle().await;
    let expected = end(&reference, BUCKET).await;
    for call in 1.. {
        let world = world_of(BUCKET, InfectedAction::Move).await;
        world.store.faults.lose_answer(ANY, call, StoreError::Transient("connection reset".into()));
        world.settle().await;
        if world.store.faults.outstanding() > 0 {
            assert!(call > 12, "{call} calls");
            break;
        }
        assert_eq!(end(&world, BUCKET).await, expected, "{call}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_agents_with_the_same_events_come_to_one_end() {
    for bucket in [BUCKET, VERSIONED, STAGING] {
        let reference = world_of(bucket, InfectedAction::Move).await;
        reference.settle().await;
        let expected = end(&reference, bucket).await;
        for call in 1..=20 {
            let world = world_of(bucket, InfectedAction::Move).await;
            world.sqs.bodies().into_iter().for_each(|body| world.sqs.push(body));
            world.store.faults.delay(ANY, call, Duration::from_secs(7));
            let ends = async {
                world.settled().await;
                sleep(Duration::from_secs(1)).await;
            };
            let ((first, second), ()) = tokio::join!(
                async { tokio::join!(world.run_until(world.settled()), world.run_until(world.settled())) },
                ends
            );
            first.and(second).expect("both end as they are told");
            assert_eq!(end(&world, bucket).await, expected, "{bucket} {call}");
        }
    }
}

/// SplitMix64: no more is needed to come to a place again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.roll(all.len() as u64) as usize]
    }
}

/// The tag of an object in the end; `None` if it leaves its place.
fn expected(text: &str, keeps: bool) -> Option<&'static str> {
    match text {
        "encrypted" => Some("Unscannable"),
        text if !text.contains("virus") => Some(Verdict::Clean.name()),
        _ => keeps.then_some("Infected"),
    }
}

/// One sequence of what may happen to two buckets.
struct Chaos {
    seed: u64,
    world: EventWorld,
    dice: Dice,
    /// What is infected stays, tagged.
    keeps: bool,
    /// All that was ever stored, with its text.
    stored: Arc<std::sync::Mutex<Vec<(ObjectRef, &'static str)>>>,
    /// Events that S3 has not sent yet.
    unsent: Vec<Value>,
    sent: Vec<Value>,
}

const KEYS: [&str; 3] = ["a b+c", "ü%41/", "k"];
const TEXTS: [&str; 4] = ["plain", "a virus", "encrypted", "other"];

impl Chaos {
    async fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let keeps = dice.roll(3) == 0;
        let infected = if keeps { InfectedAction::Keep } else { InfectedAction::Move };
        let world = EventWorld::with_policies(&policies(|policy| policy.infected = infected)).await;
        Self { seed, world, dice, keeps, stored: Arc::default(), unsent: Vec::new(), sent: Vec::new() }
    }

    fn place(&mut self) -> (&'static str, &'static str) {
        (*self.dice.of(&[BUCKET, VERSIONED]), *self.dice.of(&KEYS))
    }

    fn put(&mut self) {
        let ((bucket, key), text) = (self.place(), *self.dice.of(&TEXTS));
        let (object, record) = self.world.owner().store(bucket, key, text);
        self.stored.lock().expect("stored").push((object, text));
        self.unsent.push(record);
    }

    fn delete(&mut self) {
        let (bucket, key) = self.place();
        self.world.s3.remove(bucket, key);
    }

    /// Some of the events that are due, in any order, one or more a message.
    fn send(&mut self) {
        let mut message = Vec::new();
        for _ in 0..=self.dice.roll(3) {
            if !self.unsent.is_empty() {
                let index = self.dice.roll(self.unsent.len() as u64) as usize;
                message.push(self.unsent.swap_remove(index));
            }
        }
        if !self.sent.is_empty() && self.dice.roll(3) == 0 {
            message.push(self.dice.of(&self.sent).clone());
        }
        if !message.is_empty() {
            self.sent.extend(message.iter().cloned());
            self.world.send(&message);
        }
    }

    /// The owner stores or deletes right before a call of the agent.
    fn meddle(&mut self) {
        let ((bucket, key), text) = (self.place(), *self.dice.of(&TEXTS));
        let (owner, s3, stored) = (self.world.owner(), self.world.s3.clone(), Arc::clone(&self.stored));
        let deletes = self.dice.roll(3) == 0;
        let call = 1 + self.dice.roll(15);
        self.world.store.faults.meanwhile(ANY, call, move || {
            if deletes {
                return s3.remove(bucket, key);
            }
            let object = owner.put(bucket, key, text);
            stored.lock().expect("stored").push((object, text));
        });
    }

    /// The owner overwrites an object while its tags are on their way, or another agent settles what overwrote it meanwhile. Who sent the
    /// tags may not live to see it.
    fn meddle_while_tagging(&mut self, bell: Option<Arc<Notify>>) {
        let ((_, key), text) = (self.place(), *self.dice.of(&TEXTS));
        let (owner, s3, stored) = (self.world.owner(), self.world.s3.clone(), Arc::clone(&self.stored));
        let settled = self.dice.roll(2) == 0;
        let result = expected(text, self.keeps);
        self.world.s3.while_tagging(move || {
            let object = match result {
                Some(result) if settled => {
                    s3.insert_object(BUCKET, key, FakeObject::new(text).tag("scan-result", result))
                }
                _ => owner.put(BUCKET, key, text),
            };
            stored.lock().expect("stored").push((object, text));
            if let Some(bell) = bell {
                bell.notify_one();
            }
        });
    }

    /// An agent, or two, for a while, with an owner that goes on; half of them die.
    async fn run_agents(&mut self) {
        self.world.forget_faults();
        for _ in 0..self.dice.roll(3) {
            self.meddle();
        }
        // an outage of S3, long enough that what is tried gives up
        let (outage, calls) = (1 + self.dice.roll(15), self.dice.roll(3) * 20);
        for call in outage..outage + calls {
            self.world.store.faults.fail(ANY, call, StoreError::Transient("InternalError".into()));
        }
        let (port, call, seconds) = (*self.dice.of(&PORTS), 1 + self.dice.roll(20), self.dice.roll(200));
        let (dies, two) = (self.dice.roll(2) == 0, self.dice.roll(4) == 0);
        let reached = if dies { hang_at(&self.world, port, call) } else { Arc::default() };
        if self.dice.roll(2) == 0 {
            let bell = (dies && self.dice.roll(2) == 0).then(|| Arc::clone(&reached));
            self.meddle_while_tagging(bell);
        }
        let world = &self.world;
        let stop = || sleep(Duration::from_secs(seconds));
        let second = async { if two { world.run_until(stop()).await } else { Ok(()) } };
        tokio::select! {
                    biased;
                    () = reached.notified() => {}
                    results = async { tokio::join!(world.run_until(stop()), second) } => {
        let result = results.0.and(results.1);
                        // no agent starts without policies
                        assert!(matches!(result, Ok(()) | Err(AgentError::Policies(_))), "seed {}: {result:?}", self.seed);
                    }
                }
    }

    /// What was given up on its last delivery, which is announced: somebody has it scanned again.
    fn scan_again(&self) {
        let stored = self.stored.lock().expect("stored").clone();
        for told in self.world.published() {
            let failed = matches!(&told.action_outcome, Some(ActionOutcome::Failed(why)) if why != UNCOVERED);
            let same = |object: &ObjectRef| {
                (&object.bucket, &object.key, &object.version_id) == (&told.bucket, &told.key, &told.version_id)
                    && object.etag.as_str() == told.etag
            };
            let found = stored.iter().rfind(|(object, _)| same(object));
            if let Some((object, _)) = found.filter(|_| failed || told.result == "Error") {
                self.world.send(&[record_of(object, told.sequencer.as_deref().unwrap_or_default())]);
            }
        }
    }

    /// S3 sends what is due, and somebody sends dead letters again.
    async fn settle(mut self) -> Self {
        while !self.unsent.is_empty() {
            self.send();
        }
        self.world.forget_faults();
        self.world.settle().await;
        self.world.redrive().await;
        self.world.settle().await;
        self.scan_again();
        self.world.settle().await;
        self
    }

    /// Whether an infection's tags stand on what a later scan found clean, and it was told that they stay: they may be another agent's, with
    /// newer definitions, or an overwritten object's. Within the hour nothing tells these apart.
    fn is_in_doubt(&self, key: &str, text: &str) -> bool {
        let says = ActError::FoundInfected.to_string();
        let failed =
            |told: &ScanResult| matches!(&told.action_outcome, Some(ActionOutcome::Failed(why)) if *why == says);
        let etag = self.world.s3.pinned_ref(BUCKET, key).etag;
        let told = self.world.published();
        expected(text, self.keeps) == Some("Clean")
            && self.world.tag(BUCKET, key).as_deref() == Some("Infected")
            && told.iter().rfind(|told| told.key == key && told.etag == etag.as_str()).is_some_and(failed)
    }

    async fn check(&self) {
        let (world, seed) = (&self.world, self.seed);
        let stored = self.stored.lock().expect("stored").clone();
        let leaves = |text: &str| expected(text, self.keeps).is_none();
        for key in KEYS {
            let Some(bytes) = world.s3.bytes(BUCKET, key) else { continue };
            let text = String::from_utf8(bytes.to_vec()).expect("text");
            assert!(!leaves(&text), "seed {seed}: {key} is infected and stands where it was");
            if !self.is_in_doubt(key, &text) {
                assert_eq!(world.tag(BUCKET, key).as_deref(), expected(&text, self.keeps), "seed {seed}: {key}");
            }
        }
        for (object, text) in stored.iter().filter(|(object, _)| object.bucket == VERSIONED) {
            let head = world.s3.head(VERSIONED, &object.key, object.version_id.as_deref()).await.expect("asked");
            assert_eq!(head.is_none(), leaves(text), "seed {seed}: {object:?}");
            assert_eq!(world.in_quarantine(object), leaves(text), "seed {seed}: {object:?}");
            if head.is_some() {
                let tags = world.s3.tags(object).await.expect("asked");
                let result = tags.iter().find(|tag| tag.key == "scan-result").map(|tag| tag.value.as_str());
                assert_eq!(result, expected(text, self.keeps), "seed {seed}: {object:?}");
            }
            let told = world.published().iter().any(|told| told.version_id == object.version_id);
            assert!(told, "seed {seed}: {object:?} was not announced");
        }
        let copies = world.quarantined();
        let may: BTreeSet<_> =
            stored.iter().filter(|(_, text)| leaves(text)).map(|(object, _)| quarantine_key(object)).collect();
        for copy in &copies {
            assert!(may.contains(copy), "seed {seed}: {copy} is nobody's");
            assert!(leaves(&String::from_utf8_lossy(&world.s3.bytes(QUARANTINE, copy).expect("there"))));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_in_whatever_order_every_object_ends_tagged_or_in_quarantine() {
    let seed = std::env::var("LAZARET_SEED").ok().and_then(|seed| seed.parse().ok());
    let first = seed.unwrap_or(1_795_391_690_103);
    println!("seeds from {first}; LAZARET_SEED=<seed> begins with another");
    let (mut agents, mut quarantined, mut in_doubt) = (0, 0, 0);
    for seed in first..first + 1000 {
        let mut chaos = Chaos::new(seed).await;
        for _ in 0..4 + chaos.dice.roll(12) {
            match chaos.dice.roll(8) {
                0..=2 => chaos.put(),
                3 => chaos.delete(),
                4 | 5 => chaos.send(),
                _ => {
                    agents += 1;
                    chaos.run_agents().await;
                }
            }
        }
        let chaos = chaos.settle().await;
        chaos.check().await;
        quarantined += chaos.world.quarantined().len();
        let doubted = |key: &&&str| {
            let bytes = chaos.world.s3.bytes(BUCKET, key);
            bytes.is_some_and(|bytes| chaos.is_in_doubt(key, &String::from_utf8_lossy(&bytes)))
        };
        in_doubt += KEYS.iter().filter(doubted).count();
    }
    assert!(agents > 1000 && quarantined > 300, "{agents} agents, {quarantined} in quarantine");
    assert!(in_doubt < 10, "{in_doubt} are in doubt, which takes a crash between an overwrite and its tags");
}
