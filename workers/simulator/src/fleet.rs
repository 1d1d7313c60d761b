//! The agents and the drain loop: one event for each packet that is done, and not one for each object.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use lazaret_model::Progress;
use lazaret_model::calibration::AgentAccount;
use lazaret_model::drain::{self, DrainDecision, DrainFacts, DrainMemory};
use lazaret_model::fleet::{
    self, FleetPlan, READS_PER_OBJECT, S3_READS_PER_SECOND, S3_WRITES_PER_SECOND, SLOTS, WRITES_PER_OBJECT,
};

use crate::cloud::Cloud;
use crate::launch::{Tokens, launch};
use crate::pack::Packet;
use crate::random::Random;

/// A packet of which one object has most of the bytes can't keep both workers of an agent busy.
const ONE_WORKER: f64 = 0.5;
/// Fargate bills a minute at least.
const BILLED_SECONDS: f64 = 60.0;

/// What the fleet did.
#[derive(Debug, Clone, Default)]
pub struct Drained {
    /// When a look at the queue found the job done, or stuck.
    pub at: f64,
    pub stuck: bool,
    pub launched: u64,
    /// Seconds that tasks ran, as they are billed.
    pub agent_seconds: f64,
    /// What each agent would tell of itself.
    pub accounts: Vec<AgentAccount>,
    pub relaunches: u64,
    pub redelivered: u64,
    pub throttled_calls: u64,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    /// An agent can scan, or looks for packets again.
    Ready(usize),
    /// Something of an agent's is done; void if the agent's version is another by now.
    Progress(usize, u32),
    /// An agent has found nothing for as long as it looks.
    Idle(usize, u32),
    Death(usize),
    /// A packet that was in dead hands.
    Shows(u32),
    Look,
}

struct Timed(f64, u64, Event);

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Timed {}
impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0).then(self.1.cmp(&other.1))
    }
}

/// A packet that an agent works on.
#[derive(Debug, Clone, Copy)]
struct Hand {
    packet: u32,
    /// Agent-seconds of work.
    left: f64,
    /// Of the agent, at the most.
    share: f64,
    /// Before this moment S3 has not answered all of its requests.
    s3: f64,
}

#[derive(Debug)]
struct Agent {
    hands: Vec<Hand>,
    /// Times as long as an agent should take.
    slowness: f64,
    advanced: f64,
    version: u32,
    launched: f64,
    alive: bool,
    busy_seconds: f64,
    first_packet_at: Option<f64>,
    judged: u64,
    judged_bytes: u64,
}

impl Agent {
    fn account(&self) -> AgentAccount {
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_millis((seconds * 1e3) as i64);
        AgentAccount {
            progress: Progress { scanned: self.judged, bytes: self.judged_bytes, ..Progress::default() },
            judged: self.judged,
            judged_bytes: self.judged_bytes,
            busy_milliseconds: (self.busy_seconds * 1e3) as u64,
            first_packet_at: self.first_packet_at.map(at),
        }
    }

    fn rate(&self, hand: &Hand) -> f64 {
        let busy = self.hands.iter().filter(|hand| hand.left > 0.0).count().max(1);
        hand.share.min(1.0 / busy as f64) / self.slowness
    }

    fn slots(&self, packets: &[Packet]) -> u32 {
        self.hands.iter().map(|hand| fleet::slots(packets[hand.packet as usize].bytes)).sum()
    }

    fn advance(&mut self, now: f64) {
        let elapsed = now - self.advanced;
        self.advanced = now;
        if !self.hands.is_empty() {
            self.busy_seconds += elapsed;
        }
        let rates: Vec<f64> = self.hands.iter().map(|hand| self.rate(hand)).collect();
        for (hand, rate) in self.hands.iter_mut().zip(rates) {
            hand.left -= elapsed * rate;
            if hand.left < 1e-6 {
                hand.left = 0.0;
            }
        }
    }

    fn next(&self) -> Option<f64> {
        let end = |hand: &Hand| {
            if hand.left > 0.0 { self.advanced + hand.left / self.rate(hand) } else { hand.s3.max(self.advanced) }
        };
        self.hands.iter().map(end).min_by(f64::total_cmp)
    }
}

/// Everything that happens between *Launch fleet* and *Report*.
pub struct Fleet<'a> {
    packets: &'a [Packet],
    objects_in_a_directory: u64,
    cloud: &'a Cloud,
    random: Random,
    events: BinaryHeap<Reverse<Timed>>,
    number: u64,
    queue: VecDeque<u32>,
    hidden: u64,
    done: u64,
    agents: Vec<Agent>,
    idle: Vec<usize>,
    /// When each directory's partition of S3 has answered what it was asked.
    partitions: Vec<f64>,
    tokens: Tokens,
    drained: Drained,
}

impl<'a> Fleet<'a> {
    pub fn new(packets: &'a [Packet], objects_in_a_directory: u64, cloud: &'a Cloud, random: Random) -> Self {
        let directories = packets.iter().map(|packet| packet.directory).max().unwrap_or_default() as usize + 1;
        Self {
            packets,
            objects_in_a_directory,
            cloud,
            random,
            events: BinaryHeap::new(),
            number: 0,
            queue: (0..packets.len() as u32).collect(),
            hidden: 0,
            done: 0,
            agents: Vec::new(),
            idle: Vec::new(),
            partitions: vec![0.0; directories],
            tokens: Tokens::full(cloud),
            drained: Drained::default(),
        }
    }

    /// Launches what was planned at `now` and runs until a look finds that nothing is left.
    pub fn drain(mut self, plan: &FleetPlan, now: f64) -> Drained {
        let mut memory = DrainMemory::default();
        let mut looks = 0;
        self.launch(&plan.batches, now);
        while let Some(Reverse(Timed(now, _, event))) = self.events.pop() {
            match event {
                Event::Ready(agent) => self.take(agent, now),
                Event::Progress(agent, version) => self.progress(agent, version, now),
                Event::Idle(agent, version) => {
                    if self.agents[agent].version == version {
                        self.end(agent, now);
                    }
                }
                Event::Death(agent) => self.die(agent, now),
                Event::Shows(packet) => {
                    self.hidden -= 1;
                    self.queue.push_front(packet);
                    if let Some(agent) = self.idle.pop() {
                        self.take(agent, now);
                    }
                }
                Event::Look => {
                    let (decision, next) = drain::decide(self.facts(), memory);
                    memory = next;
                    looks += 1;
                    let wait = drain::wait_seconds(self.cloud.poll_seconds, looks, memory.launches_without_progress);
                    match decision {
                        DrainDecision::Drained | DrainDecision::Stuck => {
                            self.drained.stuck = decision == DrainDecision::Stuck;
                            return self.finish(now);
                        }
                        DrainDecision::Wait => self.push(now + wait as f64, Event::Look),
                        DrainDecision::Relaunch => {
                            self.drained.relaunches += 1;
                            let wanted = u32::try_from(self.queue.len()).unwrap_or(u32::MAX).min(plan.agents);
                            self.launch(&fleet::batches(wanted), now);
                        }
                    }
                }
            }
        }
        unreachable!("a look is always to come")
    }

    fn push(&mut self, at: f64, event: Event) {
        self.number += 1;
        self.events.push(Reverse(Timed(at, self.number, event)));
    }

    fn facts(&self) -> DrainFacts {
        DrainFacts {
            packets: self.packets.len() as u64,
            parts: self.done,
            agents: self.agents.iter().filter(|agent| agent.alive).count() as u64,
            visible: self.queue.len() as u64,
            hidden: self.hidden,
        }
    }

    fn launch(&mut self, batches: &[u32], now: f64) {
        let running = self.agents.iter().filter(|agent| agent.alive).count() as u32;
        let launched = launch(batches, now, running, &mut self.tokens, self.cloud, &mut self.random);
        self.drained.throttled_calls += launched.throttled_calls;
        for at in launched.at {
            let slowness = self.random.log_normal(1.0, self.cloud.agent_sigma);
            let ready = at + self.cloud.agent_startup.draw(&mut self.random);
            let death = at + self.random.exponential(self.cloud.hours_to_death * 3_600.0);
            let agent = self.agents.len();
            self.agents.push(Agent {
                hands: Vec::new(),
                slowness,
                advanced: ready,
                version: 0,
                launched: at,
                alive: true,
                busy_seconds: 0.0,
                first_packet_at: None,
                judged: 0,
                judged_bytes: 0,
            });
            self.drained.launched += 1;
            self.push(ready, Event::Ready(agent));
            self.push(death, Event::Death(agent));
        }
        self.push(launched.end + self.cloud.poll_seconds, Event::Look);
    }

    /// Fills an agent's hands.
    fn take(&mut self, number: usize, now: f64) {
        if !self.agents[number].alive {
            return;
        }
        self.agents[number].advance(now);
        // an agent asks for a packet while a usual one has room, and learns then what it holds
        while self.agents[number].slots(self.packets) + fleet::slots(0) <= SLOTS {
            let Some(packet) = self.queue.pop_front() else { break };
            self.hidden += 1;
            let hand = self.hand(packet, now);
            self.agents[number].hands.push(hand);
            self.agents[number].first_packet_at.get_or_insert(now);
        }
        self.plan_next(number, now);
    }

    fn plan_next(&mut self, number: usize, now: f64) {
        let agent = &mut self.agents[number];
        agent.version += 1;
        let version = agent.version;
        match agent.next() {
            Some(at) => self.push(at, Event::Progress(number, version)),
            None => {
                self.idle.push(number);
                self.push(now + self.cloud.idle_seconds, Event::Idle(number, version));
            }
        }
    }

    fn hand(&mut self, number: u32, now: f64) -> Hand {
        let packet = self.packets[number as usize];
        let objects = f64::from(packet.objects);
        let noise = self.random.log_normal(1.0, self.cloud.packet_sigma);
        let seconds = objects * self.cloud.seconds_per_object + packet.bytes as f64 * self.cloud.seconds_per_byte;
        let share = if packet.largest * 2 > packet.bytes { ONE_WORKER } else { 1.0 };
        let partition = &mut self.partitions[packet.directory as usize];
        let spread = (objects / self.objects_in_a_directory as f64).max(1.0);
        let rate = (S3_READS_PER_SECOND / READS_PER_OBJECT).min(S3_WRITES_PER_SECOND / WRITES_PER_OBJECT);
        *partition = partition.max(now) + objects / (rate * spread);
        Hand { packet: number, left: seconds * noise, share, s3: *partition }
    }

    fn progress(&mut self, number: usize, version: u32, now: f64) {
        if self.agents[number].version != version {
            return;
        }
        let agent = &mut self.agents[number];
        agent.advance(now);
        let is_done = |hand: &Hand| hand.left <= 0.0 && hand.s3 <= now;
        let mut done = 0;
        for hand in agent.hands.extract_if(.., |hand| is_done(hand)) {
            let packet = self.packets[hand.packet as usize];
            agent.judged += u64::from(packet.objects);
            agent.judged_bytes += packet.bytes;
            done += 1;
        }
        self.hidden -= done;
        self.done += done;
        self.take(number, now);
    }

    fn die(&mut self, number: usize, now: f64) {
        if !self.agents[number].alive {
            return;
        }
        for hand in std::mem::take(&mut self.agents[number].hands) {
            self.drained.redelivered += 1;
            // its lease was extended at some time of the latter half
            let shows = now + self.cloud.visibility_seconds * self.random.between(0.5, 1.0);
            self.push(shows, Event::Shows(hand.packet));
        }
        self.end(number, now);
    }

    fn end(&mut self, number: usize, now: f64) {
        let agent = &mut self.agents[number];
        agent.alive = false;
        agent.version += 1;
        self.drained.agent_seconds += (now - agent.launched).max(BILLED_SECONDS);
        self.idle.retain(|idle| *idle != number);
    }

    fn finish(mut self, now: f64) -> Drained {
        for number in 0..self.agents.len() {
            if self.agents[number].alive {
                self.end(number, now);
            }
        }
        self.drained.accounts = self.agents.iter().map(Agent::account).collect();
        self.drained.at = now;
        self.drained
    }
}
