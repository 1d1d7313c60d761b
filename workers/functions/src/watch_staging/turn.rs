//! Turns: of any number of objects each run looks at some, and together the runs look at all, though none of them holds more than its
//! own nor knows what the others did.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The golden section of a circle: steps of this size leave no gap for long, whatever the size of an arc.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Bucket and key.
type Name = (String, String);

/// What one run looks at: names are points on a circle by their hashes, and the run with the number n takes the first ones from n
/// steps on.
pub struct Turn<T> {
    from: u64,
    most: usize,
    offered: u64,
    chosen: BTreeMap<(u64, Name), T>,
}

impl<T> Turn<T> {
    /// The run with this number takes this many at most.
    pub fn new(number: i64, most: usize) -> Self {
        let from = number.cast_unsigned().wrapping_mul(STEP);
        Self { from, most, offered: 0, chosen: BTreeMap::new() }
    }

    pub fn offer(&mut self, name: Name, what: T) {
        self.offered += 1;
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        self.chosen.insert((hasher.finish().wrapping_sub(self.from), name), what);
        if self.chosen.len() > self.most {
            self.chosen.pop_last();
        }
    }

    pub fn offered(&self) -> u64 {
        self.offered
    }

    pub fn chosen(self) -> impl Iterator<Item = T> {
        self.chosen.into_values()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_have_their_turn_and_no_run_holds_more_than_its_own() {
        for (objects, most) in [(10, 10), (11, 10), (2_500, 1_000), (20_000, 500)] {
            let mut seen = BTreeSet::new();
            // an arc of the golden steps is covered after less than three times as many runs as there are arcs
            let runs = 3 * objects / most + 2;
            for number in 0..runs {
                let mut turn = Turn::new(5_900_000 + number, usize::try_from(most).expect("few"));
                for n in 0..objects {
                    turn.offer(("bucket".into(), n.to_string()), n);
                    assert!(turn.chosen.len() as i64 <= most);
                }
                assert_eq!(turn.offered() as i64, objects);
                seen.extend(turn.chosen());
            }
            assert_eq!(seen.len() as i64, objects, "{most} of {objects} in {runs} runs");
        }
    }
}
