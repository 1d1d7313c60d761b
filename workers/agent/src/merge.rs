//! What is true of a packet of which two accounts exist.
//!
//! Two agents may hold one packet for a moment, or one takes up what another left. Each row of the merged part is the one of the
//! two rows that knows more: the stronger verdict, and of the same verdict the one whose action is further along. Rows
//! only gain truth, whoever writes last.

use lazaret_model::{ActionOutcome, ObjectRef, ResultRow, Verdict, WorkPacket};

/// Merges `mine` into what is `recorded`; both are parts of one packet. Of two rows that know as much the recorded one stays.
pub fn merge(recorded: &[ResultRow], mine: &[ResultRow]) -> Vec<ResultRow> {
    debug_assert_eq!(recorded.len(), mine.len(), "parts of one packet");
    recorded
        .iter()
        .zip(mine)
        .map(|(theirs, mine)| if rank(mine) > rank(theirs) { mine } else { theirs })
        .cloned()
        .collect()
}

/// Whether `rows` are one row for each object of the packet, in its order. Anything else is a damaged part.
pub fn is_part_of(rows: &[ResultRow], packet: &WorkPacket) -> bool {
    rows.len() == packet.objects.len()
        && rows.iter().zip(&packet.objects).all(|(row, object)| is_of(&row.object, object))
}

/// Whether a row's object is the packet's. The version id may have been learned since: a listing does not tell it.
fn is_of(row: &ObjectRef, object: &ObjectRef) -> bool {
    (&row.bucket, &row.key, &row.etag) == (&object.bucket, &object.key, &object.etag)
        && (object.version_id.is_none() || row.version_id == object.version_id)
}

/// How much a row knows.
fn rank(row: &ResultRow) -> (u8, u8) {
    (verdict_rank(&row.verdict), outcome_rank(row))
}

/// Findings before everything; what forbids to call it clean before `Clean`; what was read before what was not.
fn verdict_rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Infected { .. } => 6,
        Verdict::InfectedAllowed { .. } => 5,
        Verdict::Unscannable { .. } => 4,
        Verdict::Clean => 3,
        Verdict::Error { .. } => 2,
        Verdict::Skipped { .. } => 1,
        Verdict::Gone { .. } => 0,
    }
}

/// Done before everything: who found the version gone may have met the other's work.
fn outcome_rank(row: &ResultRow) -> u8 {
    match row.action.as_ref().map(|action| &action.outcome) {
        None => 0,
        Some(ActionOutcome::Pending) => 1,
        Some(ActionOutcome::Failed(_)) => 2,
        Some(ActionOutcome::Gone) => 3,
        Some(ActionOutcome::Done) => 4,
    }
}

#[cfg(test)]
mod tests {
    use lazaret_model::verdict::{ErrorReason, GoneReason, SkippedReason, UnscannableReason};
    use lazaret_model::{Action, ActionKind, Evidence, Finding, JobId};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::object;

    fn verdict() -> impl Strategy<Value = Verdict> {
        let finding = |threat: String| Finding { member: String::new(), threat, engine: "clamav".into() };
        prop_oneof![
            Just(Verdict::Clean),
            "[a-c]".prop_map(move |t| Verdict::Infected { findings: vec![finding(t)] }),
            "[a-c]".prop_map(move |t| Verdict::InfectedAllowed { findings: vec![finding(t)] }),
            "[a-c]".prop_map(|detail| Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail }),
            "[a-c]".prop_map(|detail| Verdict::Error { reason: ErrorReason::EngineCrashed, detail }),
            Just(Verdict::Skipped { reason: SkippedReason::Archived }),
            Just(Verdict::Gone { reason: GoneReason::Deleted }),
        ]
    }

    fn action() -> impl Strategy<Value = Option<Action>> {
        let outcome = prop_oneof![
            Just(ActionOutcome::Pending),
            Just(ActionOutcome::Done),
            Just(ActionOutcome::Gone),
            Just(ActionOutcome::Failed("no".into())),
        ];
        proptest::option::of(outcome.prop_map(|outcome| Action { kind: ActionKind::Tag, outcome }))
    }

    fn part() -> impl Strategy<Value = Vec<ResultRow>> {
        let row = (verdict(), action(), 0i64..3);
        proptest::collection::vec(row, 5).prop_map(|rows| {
            let row = |(index, (verdict, action, second)): (usize, (Verdict, Option<Action>, i64))| ResultRow {
                object: object(&format!("key {index}")),
                verdict,
                action,
                scanned_at: jiff::Timestamp::from_second(second).expect("a time"),
                evidence: Evidence::default(),
            };
            rows.into_iter().enumerate().map(row).collect()
        })
    }

    fn ranks(rows: &[ResultRow]) -> Vec<(u8, u8)> {
        rows.iter().map(rank).collect()
    }

    proptest! {
        #[test]
        fn the_order_of_writing_changes_no_verdict_and_no_outcome(a in part(), b in part(), c in part()) {
            prop_assert_eq!(ranks(&merge(&a, &b)), ranks(&merge(&b, &a)));
            prop_assert_eq!(merge(&merge(&a, &b), &c), merge(&a, &merge(&b, &c)));
            prop_assert_eq!(merge(&a, &a), a.clone());
            // merging once more what is in already writes nothing new: two agents come to rest
            let both = merge(&a, &b);
            prop_assert_eq!(merge(&both, &b), both.clone());
            prop_assert_eq!(merge(&both, &a), both);
        }

        #[test]
        fn no_infected_is_lost_nothing_turns_clean_and_every_object_stays_in_its_place(a in part(), b in part()) {
            let objects: Vec<_> = a.iter().map(|row| row.object.clone()).collect();
            let packet = WorkPacket {
                job_id: "job".parse::<JobId>().expect("an id"),
                packet_id: "0000-00000001-0000000000".parse().expect("an id"),
                bucket: "bucket".into(),
                objects,
            };
            let merged = merge(&a, &b);
            prop_assert!(is_part_of(&merged, &packet));
            for ((a, b), row) in a.iter().zip(&b).zip(&merged) {
                prop_assert!(row == a || row == b);
                for side in [a, b] {
                    let infected = side.verdict.name() == "Infected";
                    prop_assert!(!infected || row.verdict.name() == "Infected");
                    prop_assert!(rank(row) >= rank(side));
                }
                let gone = |row: &ResultRow| matches!(row.verdict, Verdict::Gone { .. });
                prop_assert!(!gone(row) || gone(a) && gone(b));
            }
        }
    }

    #[test]
    fn rows_of_other_objects_are_no_part_of_the_packet() {
        let row = |object: ObjectRef| ResultRow {
            object,
            verdict: Verdict::Clean,
            action: None,
            scanned_at: jiff::Timestamp::UNIX_EPOCH,
            evidence: Evidence::default(),
        };
        let packet = crate::testing::packet(0, vec![object("a"), object("b")]);
        let learned = ObjectRef { version_id: Some("v1".into()), ..object("a") };
        assert!(is_part_of(&[row(learned), row(object("b"))], &packet));
        assert!(!is_part_of(&[row(object("b")), row(object("a"))], &packet));
        assert!(!is_part_of(&[row(object("a"))], &packet));
        let other = ObjectRef { etag: "other".into(), ..object("b") };
        assert!(!is_part_of(&[row(object("a")), row(other)], &packet));
    }
}
