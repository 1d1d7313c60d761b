//! CloudWatch's embedded metric format: a line of JSON on a program's standard output becomes metrics.
//!
//! No API is called and no permission is needed: CloudWatch reads such lines in a task's log. Whoever writes them keeps the log itself on
//! standard error. No dimensions: tasks are added up, and each value of a dimension is a metric that costs.

pub mod names;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

const NAMESPACE: &str = "Lazaret";

/// Values of one metric that a line may have (CloudWatch's specification of the format).
const VALUES_A_LINE: usize = 100;

/// A metric and its unit, as CloudWatch spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metric {
    pub name: &'static str,
    pub unit: &'static str,
}

impl Metric {
    pub const fn count(name: &'static str) -> Self {
        Self { name, unit: "Count" }
    }

    pub const fn bytes(name: &'static str) -> Self {
        Self { name, unit: "Bytes" }
    }

    pub const fn seconds(name: &'static str) -> Self {
        Self { name, unit: "Seconds" }
    }

    pub const fn milliseconds(name: &'static str) -> Self {
        Self { name, unit: "Milliseconds" }
    }
}

/// One line, and more only for lists that don't fit into it.
pub fn lines(now: Timestamp, numbers: Vec<(Metric, u64)>, lists: &[(Metric, &[u64])]) -> Vec<Map<String, Value>> {
    let count = lists.iter().map(|(_, values)| values.len().div_ceil(VALUES_A_LINE)).max().unwrap_or_default();
    let mut numbers: Vec<(Metric, Value)> = numbers.into_iter().map(|(metric, value)| (metric, json!(value))).collect();
    (0..count.max(1))
        .map(|index| {
            let mut values = std::mem::take(&mut numbers);
            let chunks =
                lists.iter().filter_map(|(metric, list)| Some((*metric, list.chunks(VALUES_A_LINE).nth(index)?)));
            values.extend(chunks.map(|(metric, chunk)| (metric, json!(chunk))));
            line(now, values)
        })
        .collect()
}

fn line(now: Timestamp, values: Vec<(Metric, Value)>) -> Map<String, Value> {
    let metrics: Vec<_> = values.iter().map(|(metric, _)| json!({"Name": metric.name, "Unit": metric.unit})).collect();
    let mut line: Map<String, Value> =
        values.into_iter().map(|(metric, value)| (metric.name.to_owned(), value)).collect();
    let directive = json!({"Namespace": NAMESPACE, "Dimensions": [[]], "Metrics": metrics});
    line.insert("_aws".to_owned(), json!({"Timestamp": now.as_millisecond(), "CloudWatchMetrics": [directive]}));
    line
}

#[cfg(test)]
mod tests {
    use super::names::agent::DEFINITIONS_AGE;
    use super::*;

    const FIRST: Metric = Metric::count("First");
    const LIST: Metric = Metric::milliseconds("List");
    const OTHER: Metric = Metric::bytes("Other");

    #[test]
    fn a_line_names_what_it_has_in_cloudwatchs_own_format() {
        let at = Timestamp::from_second(1_700_000_000).expect("a time");
        let lines = lines(at, vec![(FIRST, 7), (DEFINITIONS_AGE, 90)], &[(LIST, &[])]);
        let expected = json!([{
            "_aws": {
                "Timestamp": 1_700_000_000_000_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "Lazaret",
                    "Dimensions": [[]],
                    "Metrics": [{"Name": "First", "Unit": "Count"}, {"Name": "DefinitionsAgeSeconds", "Unit": "Seconds"}],
                }],
            },
            "First": 7,
            "DefinitionsAgeSeconds": 90,
        }]);
        assert_eq!(json!(lines), expected, "a list without values is no metric");
    }

    #[test]
    fn lists_go_on_in_lines_of_their_own_and_numbers_are_told_once() {
        let (list, other): (Vec<u64>, Vec<u64>) = ((0..250).collect(), (0..101).collect());
        let lines = lines(Timestamp::UNIX_EPOCH, vec![(FIRST, 1)], &[(LIST, &list), (OTHER, &other)]);
        let lengths = |name: &str| -> Vec<usize> {
            lines.iter().filter_map(|line| Some(line.get(name)?.as_array()?.len())).collect()
        };
        assert_eq!((lengths("List"), lengths("Other")), (vec![100, 100, 50], vec![100, 1]));
        assert_eq!(lines.iter().filter(|line| line.contains_key("First")).count(), 1);
        assert_eq!(
            lines[2]["_aws"]["CloudWatchMetrics"][0]["Metrics"],
            json!([{"Name": "List", "Unit": "Milliseconds"}])
        );
    }
}
