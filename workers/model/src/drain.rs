//! Whether a job is done, still working, or stuck.

use serde::{Deserialize, Serialize};

/// Times that agents are launched anew without one more part being written, before the job is called stuck. A lone crash
/// costs one; three in a row without progress is a fault that a fourth would meet too.
pub const RELAUNCHES_WITHOUT_PROGRESS: u32 = 3;

/// What was seen of the queue, the fleet and the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainFacts {
    pub packets: u64,
    /// Packets of the plan that have their part, counted one by one.
    pub parts: u64,
    /// Agents of this job that are not stopped.
    pub agents: u64,
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
    /// Every packet has its part.
    Drained,
    /// Agents are at work: look again later.
    Wait,
    /// No agent is left and packets remain: launch agents again.
    Relaunch,
    /// Relaunching brings nothing any more.
    Stuck,
}

/// Decides, and says what to remember.
pub fn decide(facts: DrainFacts, memory: DrainMemory) -> (DrainDecision, DrainMemory) {
    if facts.parts >= facts.packets {
        return (DrainDecision::Drained, memory);
    }
    if facts.agents > 0 {
        return (DrainDecision::Wait, memory);
    }
    let launches = if facts.parts > memory.parts_at_launch { 1 } else { memory.launches_without_progress + 1 };
    if launches > RELAUNCHES_WITHOUT_PROGRESS {
        return (DrainDecision::Stuck, memory);
    }
    (DrainDecision::Relaunch, DrainMemory { parts_at_launch: facts.parts, launches_without_progress: launches })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(parts: u64, agents: u64) -> DrainFacts {
        DrainFacts { packets: 10, parts, agents }
    }

    #[test]
    fn a_job_is_drained_only_when_every_packet_has_its_part() {
        let memory = DrainMemory::default();
        assert_eq!(decide(facts(10, 0), memory).0, DrainDecision::Drained);
        assert_eq!(decide(facts(9, 1), memory).0, DrainDecision::Wait);
        assert_eq!(decide(facts(9, 0), memory).0, DrainDecision::Relaunch);
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
}
