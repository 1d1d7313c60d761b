//! From the JSON that a person wrote to a [`JobInput`], with a word on each thing that can be wrong.

use jiff::Timestamp;
use lazaret_model::job::{Dollars, TARGET_MINUTES, TARGET_MINUTES_MAX, WindowInput};
use lazaret_model::{BucketScope, JobInput, JobLimits, Source};
use serde_json::{Map, Value};

/// The shape of an input, for messages.
const EXAMPLE: &str = r#"{"buckets":[{"name":"my-bucket","prefix":"folder/"}]}"#;
/// What Step Functions adds to the input of an execution that another execution started.
const ADDED_BY_STEP_FUNCTIONS: &str = "AWS_STEP_FUNCTIONS_";
/// Characters of a wrong value that a message repeats.
const QUOTED_CHARACTERS: usize = 80;

/// Reads an execution's input.
///
/// # Errors
/// Names the field that is wrong and what to write there.
pub fn parse(input: &Value) -> Result<JobInput, String> {
    let object = object(input, "the input", EXAMPLE)?;
    known_fields(object, "the input", &["buckets", "window", "source", "targetMinutes", "limits", "selected"])?;
    Ok(JobInput {
        buckets: buckets(object)?,
        window: window(object)?,
        source: match text(object, "source", "source", "\"on-demand\"")? {
            Some(source) => Source::try_from(source.to_owned()).map_err(|error| error.to_string())?,
            None => Source::OnDemand,
        },
        target_minutes: target_minutes(object)?,
        limits: limits(object)?,
        selected: selected(object)?,
    })
}

fn buckets(object: &Map<String, Value>) -> Result<Vec<BucketScope>, String> {
    let Some(value) = present(object, "buckets") else { return Ok(Vec::new()) };
    let Some(list) = value.as_array() else {
        return Err(wrong("buckets", value, "a list such as [{\"name\":\"my-bucket\"}]"));
    };
    let scope = |(index, value): (usize, &Value)| {
        let place = format!("buckets[{index}]");
        let scope = self::object(value, &format!("`{place}`"), "{\"name\":\"my-bucket\",\"prefix\":\"folder/\"}")?;
        known_fields(scope, &format!("`{place}`"), &["name", "prefix"])?;
        let name = text(scope, "name", &format!("{place}.name"), "\"my-bucket\"")?;
        let name = name.ok_or_else(|| format!("`{place}.name` is missing: write the bucket's name"))?;
        let prefix = text(scope, "prefix", &format!("{place}.prefix"), "\"folder/\"")?.unwrap_or_default();
        Ok(BucketScope { name: name.to_owned(), prefix: prefix.to_owned() })
    };
    list.iter().enumerate().map(scope).collect()
}

fn window(object: &Map<String, Value>) -> Result<WindowInput, String> {
    const EXAMPLE: &str = "{\"from\":\"2026-01-31T00:00:00Z\",\"to\":\"2026-02-28T00:00:00Z\"}";
    let Some(value) = present(object, "window") else { return Ok(WindowInput::default()) };
    let window = self::object(value, "`window`", EXAMPLE)?;
    known_fields(window, "`window`", &["from", "to"])?;
    let end = |name: &str| {
        let place = format!("window.{name}");
        let wanted = "a time such as \"2026-01-31T00:00:00Z\"";
        let text = text(window, name, &place, wanted)?;
        let parse = |text: &str| text.parse::<Timestamp>().map_err(|_| wrong(&place, &text.into(), wanted));
        text.map(parse).transpose()
    };
    Ok(WindowInput { from: end("from")?, to: end("to")? })
}

fn target_minutes(object: &Map<String, Value>) -> Result<u32, String> {
    let Some(value) = present(object, "targetMinutes") else { return Ok(TARGET_MINUTES) };
    let minutes = value.as_u64().and_then(|minutes| u32::try_from(minutes).ok());
    minutes.ok_or_else(|| wrong("targetMinutes", value, &format!("a whole number from 1 to {TARGET_MINUTES_MAX}")))
}

fn limits(object: &Map<String, Value>) -> Result<JobLimits, String> {
    let Some(value) = present(object, "limits") else { return Ok(JobLimits::default()) };
    let limits = self::object(value, "`limits`", "{\"agents\":20,\"dollars\":10}")?;
    known_fields(limits, "`limits`", &["agents", "dollars"])?;
    let agents = |value: &Value| {
        let agents = value.as_u64().and_then(|agents| u32::try_from(agents).ok()).filter(|agents| *agents > 0);
        agents.ok_or_else(|| wrong("limits.agents", value, "a whole number above 0"))
    };
    let dollars = |value: &Value| {
        let dollars = value.as_f64().and_then(|amount| Dollars::try_from(amount).ok());
        dollars.ok_or_else(|| wrong("limits.dollars", value, "a number from 0.01 to 1000000"))
    };
    Ok(JobLimits {
        agents: present(limits, "agents").map(agents).transpose()?,
        dollars: present(limits, "dollars").map(dollars).transpose()?,
    })
}

fn selected(object: &Map<String, Value>) -> Result<bool, String> {
    let Some(value) = present(object, "selected") else { return Ok(false) };
    value.as_bool().ok_or_else(|| wrong("selected", value, "nothing: a schedule writes it for its own jobs"))
}

/// A field that is there and not null.
fn present<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

fn text<'a>(object: &'a Map<String, Value>, name: &str, place: &str, wanted: &str) -> Result<Option<&'a str>, String> {
    let Some(value) = present(object, name) else { return Ok(None) };
    value.as_str().map(Some).ok_or_else(|| wrong(place, value, wanted))
}

fn object<'a>(value: &'a Value, place: &str, example: &str) -> Result<&'a Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("{place} is {}: write an object such as {example}", quoted(value)))
}

fn known_fields(object: &Map<String, Value>, place: &str, known: &[&str]) -> Result<(), String> {
    let unknown = |name: &&String| !known.contains(&name.as_str()) && !name.starts_with(ADDED_BY_STEP_FUNCTIONS);
    match object.keys().find(unknown) {
        Some(name) => {
            Err(format!("{place} has no field {}: it has `{}`", quoted(&name.as_str().into()), known.join("`, `")))
        }
        None => Ok(()),
    }
}

fn wrong(place: &str, value: &Value, wanted: &str) -> String {
    format!("`{place}` is {}: write {wanted}", quoted(value))
}

/// The value as JSON, so that control characters are spelled out, and not too much of it.
fn quoted(value: &Value) -> String {
    let json = value.to_string();
    match json.char_indices().nth(QUOTED_CHARACTERS) {
        Some((end, _)) => format!("{}…", &json[..end]),
        None => json,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_input_reads_as_serde_would_read_it() {
        let full = json!({
            "buckets": [{"name": "bucket", "prefix": "p/"}, {"name": "other"}],
            "window": {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00+01:00"},
            "source": "schedule/nightly",
            "targetMinutes": 15,
            "selected": true,
        });
        let minimal = json!({"buckets": [{"name": "bucket"}]});
        for input in [full, minimal, json!({})] {
            assert_eq!(parse(&input), Ok(serde_json::from_value(input).expect("an input")));
        }
        let started_by = json!({"AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": "arn", "window": null, "source": null});
        assert_eq!(parse(&started_by), parse(&json!({})));
    }

    #[test]
    fn every_wrong_field_is_named_with_what_to_write() {
        for (input, parts) in [
            (json!("bucket"), ["the input is \"bucket\"", "{\"buckets\":["]),
            (json!({"bucket": []}), ["no field \"bucket\"", "`buckets`"]),
            (json!({"buckets": "b"}), ["`buckets` is \"b\"", "[{\"name\""]),
            (json!({"buckets": ["b"]}), ["`buckets[0]` is \"b\"", "\"prefix\""]),
            (json!({"buckets": [{}]}), ["`buckets[0].name` is missing", "name"]),
            (json!({"buckets": [{"name": "b", "Prefix": ""}]}), ["`buckets[0]` has no field", "`prefix`"]),
            (json!({"buckets": [{"name": 7}]}), ["`buckets[0].name` is 7", "write"]),
            (json!({"window": {"from": "yesterday"}}), ["`window.from` is \"yesterday\"", "2026-01-31T00:00:00Z"]),
            (json!({"window": []}), ["`window` is []", "\"from\""]),
            (json!({"source": "me"}), ["`me` is not a source", "schedule/NAME"]),
            (json!({"targetMinutes": "60"}), ["`targetMinutes` is \"60\"", "whole number"]),
            (json!({"targetMinutes": -1}), ["`targetMinutes` is -1", "1 to"]),
        ] {
            let message = parse(&input).expect_err("a mistake");
            assert!(parts.iter().all(|part| message.contains(part)), "{input}: {message}");
        }
    }

    #[test]
    fn a_message_repeats_little_and_nothing_unprintable() {
        let message = parse(&json!({"x\u{1b}[31m\n": 1})).expect_err("a mistake");
        assert!(!message.contains(['\u{1b}', '\n']), "{message}");
        assert!(parse(&json!("x".repeat(10_000))).expect_err("a mistake").len() < 300);
    }
}
