//! Whether a job is done, still working, or stuck; and when to look again.

use serde::{Deserialize, Serialize};

use crate::packet::DELIVERIES;

/// Times that agents are launched anew without one more part being written, before the job is called stuck. More than the
/// deliveries after which a packet goes to the dead letters: a packet that kills every agent is given up, not the job.
pub const RELAUNCHES_WITHOUT_PROGRESS: u32 = DELIVERIES + 1;

/// How much longer each wait is than the one before, up to [`WAIT_SECONDS`].
const WAIT_GROWTH: f64 = 1.5;
const WAIT_SECONDS: f64 = 60.0;
/// A job that takes a working day must not fill its execution's history (25,000 events).
const MANY_LOOKS: u32 = 500;
const WAIT_SECONDS_AFTER_MANY_LOOKS: u64 = 300;

/// What was seen of the queue, the fleet and the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainFacts {
    pub packets: u64,
    /// Packets of the plan that have their part, counted one by one.
    pub parts: u64,
    /// Agents of this job that are not stopped.
    pub agents: u64,
    /// Messages that an agent could receive now.
    pub visible: u64,
    /// Messages that are in an agent's hands, or were when it died.
    pub hidden: u64,
}

/// What the loop carries from one look to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DrainMemory {
    /// Parts seen when agents were last launched.
    pub parts_at_launch: u64,
    /// Launches since the last new part.
    pub launches_without_progress: u32,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DrainDecision {
    /// Every packet has its part, and no message is left: what was to be done with the objects is done.
    Drained,
    /// Agents are at work, or what is left is in the hands of agents that died and will show again: look again later.
    Wait,
    /// No agent is left and packets remain: launch agents again.
    Relaunch,
    /// Relaunching brings nothing any more.
    Stuck,
}

/// Decides, and says what to remember.
///
/// A part is written before the actions that it names, and the message is deleted after them: a job with all its parts and a message
/// left still has an infected object to move.
pub fn decide(facts: DrainFacts, memory: DrainMemory) -> (DrainDecision, DrainMemory) {
    if facts.parts >= facts.packets && facts.visible + facts.hidden == 0 {
        return (DrainDecision::Drained, memory);
    }
    // new agents would find nothing in a queue whose messages are all hidden
    if facts.agents > 0 || facts.visible == 0 && facts.hidden > 0 {
        return (DrainDecision::Wait, memory);
    }
    let launches = if facts.parts > memory.parts_at_launch { 1 } else { memory.launches_without_progress + 1 };
    if launches > RELAUNCHES_WITHOUT_PROGRESS {
        return (DrainDecision::Stuck, memory);
    }
    (DrainDecision::Relaunch, DrainMemory { parts_at_launch: facts.parts, launches_without_progress: launches })
}

/// Longer from look to look; and twice as long after each launch that brought nothing, so that an outage of minutes does not use
/// the launches up.
pub fn wait_seconds(poll_seconds: f64, looks: u32, launches_without_progress: u32) -> u64 {
    if looks >= MANY_LOOKS {
        return WAIT_SECONDS_AFTER_MANY_LOOKS;
    }
    let power = |base: f64, exponent: u32| poll_seconds * base.powi(i32::try_from(exponent).unwrap_or(i32::MAX));
    let patience = power(2.0, launches_without_progress.saturating_sub(1));
    power(WAIT_GROWTH, looks).min(WAIT_SECONDS).max(patience).ceil().clamp(1.0, WAIT_SECONDS_AFTER_MANY_LOOKS as f64)
        as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(parts: u64, agents: u64) -> DrainFacts {
        DrainFacts { packets: 10, parts, agents, visible: 10 - parts, hidden: 0 }
    }

    #[test]
    fn a_job_is_drained_only_when_every_packet_has_its_part() {
        let memory = DrainMemory::default();
        assert_eq!(decide(facts(10, 0), memory).0, DrainDecision::Drained);
        assert_eq!(decide(facts(9, 1), memory).0, DrainDecision::Wait);
        assert_eq!(decide(facts(9, 0), memory).0, DrainDecision::Relaunch);
    }

    #[test]
    fn a_message_that_is_left_still_names_actions_to_be_done() {
        let memory = DrainMemory::default();
        let in_hand = DrainFacts { hidden: 1, ..facts(10, 1) };
        assert_eq!(decide(in_hand, memory).0, DrainDecision::Wait);
        assert_eq!(decide(DrainFacts { agents: 0, ..in_hand }, memory).0, DrainDecision::Wait);
        assert_eq!(decide(DrainFacts { visible: 1, ..facts(10, 0) }, memory).0, DrainDecision::Relaunch);
    }

    #[test]
    fn packets_in_dead_hands_are_waited_for() {
        let memory = DrainMemory { parts_at_launch: 9, launches_without_progress: RELAUNCHES_WITHOUT_PROGRESS };
        let hidden = DrainFacts { visible: 0, hidden: 1, ..facts(9, 0) };
        assert_eq!(decide(hidden, memory), (DrainDecision::Wait, memory));
        assert_eq!(decide(facts(9, 0), memory).0, DrainDecision::Stuck);
    }

    #[test]
    fn launches_without_progress_end_and_progress_starts_them_anew() {
        let mut memory = DrainMemory::default();
        for _ in 0..RELAUNCHES_WITHOUT_PROGRESS {
            let (decision, next) = decide(facts(4, 0), memory);
            assert_eq!(decision, DrainDecision::Relaunch);
            memory = next;
        }
        assert_eq!(decide(facts(4, 0), memory).0, DrainDecision::Stuck);
        assert_eq!(decide(facts(5, 0), memory).0, DrainDecision::Relaunch);
    }

    #[test]
    fn waits_grow_to_a_minute_and_to_five_after_hours() {
        let wait = |looks| wait_seconds(5.0, looks, 0);
        assert_eq!([0, 1, 2, 3, 6, 20, 499, 500, u32::MAX].map(wait), [5, 8, 12, 17, 57, 60, 60, 300, 300]);
        assert_eq!(wait_seconds(0.0, 3, 0), 1);
    }

    #[test]
    fn launches_that_bring_nothing_are_further_and_further_apart() {
        assert_eq!(
            [1, 2, 3, 4, 5, 6, 7].map(|launches| wait_seconds(10.0, 0, launches)),
            [10, 20, 40, 80, 160, 300, 300]
        );
    }
}
