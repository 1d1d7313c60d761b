//! Every variable: needed, or with a default; and none that may be nonsense.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use lazaret_engine_protocol::Limits;

use super::*;
use crate::definitions::age::MaxAge;

fn complete() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("LAZARET_JOB_ID", "job-1"),
        ("LAZARET_QUEUE_URL", "https://sqs.example/q"),
        ("LAZARET_RESULTS_BUCKET", "results"),
        ("LAZARET_QUARANTINE_BUCKET", "quarantine"),
        ("LAZARET_ENGINE", "/usr/bin/lazaret-engine"),
        ("LAZARET_SCRATCH_DIR", "/scratch"),
        ("LAZARET_SCAN_WORKERS", "2"),
        ("LAZARET_SCAN_SECONDS", "120"),
        ("LAZARET_FETCH_BYTES", "268435456"),
        ("LAZARET_VISIBILITY_SECONDS", "300"),
        ("LAZARET_IDLE_SECONDS", "30"),
        ("LAZARET_PROGRESS_SECONDS", "5"),
    ])
}

fn read(variables: &BTreeMap<&'static str, &'static str>) -> Result<Environment, ConfigError> {
    Environment::read(&|name| variables.get(name).map(|value| (*value).to_owned()))
}

#[test]
fn a_complete_environment_is_read() {
    let environment = read(&complete()).expect("complete");
    assert_eq!(environment.settings.scan_workers, 2);
    assert_eq!(environment.engine.scan, Duration::from_secs(120));
}

#[test]
fn definitions_come_from_the_bucket_unless_a_directory_is_named() {
    let mut variables = complete();
    let defaults = read(&variables).expect("complete").definitions;
    assert_eq!((defaults.source, defaults.poll.as_secs()), (DefinitionsSource::Published, 300));
    assert_eq!(defaults.max_age, MaxAge::seconds(604_800));
    variables.insert("LAZARET_DEFINITIONS", "s3");
    variables.insert("LAZARET_DEFINITIONS_DIR", "/var/lib/lazaret");
    variables.insert("LAZARET_DEFINITIONS_MAX_AGE_SECONDS", "0");
    let settings = read(&variables).expect("complete").definitions;
    assert_eq!(settings.source, DefinitionsSource::Directory("/var/lib/lazaret".into()));
    assert_eq!(settings.max_age, MaxAge::seconds(0));
}

#[test]
fn the_verdict_cache_has_a_default_and_an_off_switch() {
    let mut variables = complete();
    assert_eq!(read(&variables).expect("complete").verdict_cache_entries, 100_000);
    variables.insert("LAZARET_VERDICT_CACHE_ENTRIES", "0");
    assert_eq!(read(&variables).expect("complete").verdict_cache_entries, 0);
}

#[test]
fn the_engines_limits_and_the_rules_have_defaults() {
    let mut variables = complete();
    let defaults = read(&variables).expect("complete");
    assert_eq!(defaults.engine.limits, Limits::default());
    let program = PathBuf::from("/usr/bin/lazaret-yara");
    assert_eq!(defaults.rules, RulesSettings { program, directory: None });
    variables.insert("LAZARET_ENGINE_LIMITS", r#"{"maxDepth":3}"#);
    variables.insert("LAZARET_JAIL_ALLOW_MISSING", "landlock, seccomp");
    variables.insert("LAZARET_RULES_DIR", "/etc/lazaret/rules");
    let settings = read(&variables).expect("complete");
    assert_eq!(settings.engine.limits, Limits { max_depth: 3, ..Limits::default() });
    assert_eq!(settings.engine.allow_missing, ["landlock", "seccomp"]);
    assert_eq!(settings.rules.directory, Some(PathBuf::from("/etc/lazaret/rules")));
}

#[test]
fn settings_of_the_engine_that_differ_have_another_digest() {
    let settings = read(&complete()).expect("complete").engine;
    let slower = EngineSettings { scan: settings.scan * 2, ..settings.clone() };
    assert_eq!(settings.digest(), settings.clone().digest());
    assert_ne!(settings.digest(), slower.digest());
}

#[test]
fn every_variable_is_needed_and_the_error_names_it() {
    for name in complete().keys() {
        for value in [None, Some("")] {
            let mut variables = complete();
            variables.remove(name);
            variables.extend(value.map(|value| (*name, value)));
            assert_eq!(read(&variables).expect_err(name), ConfigError::Missing(name));
        }
    }
}

#[test]
fn nonsense_is_refused_by_name() {
    for (name, value) in [
        ("LAZARET_SCAN_WORKERS", "0"),
        ("LAZARET_SCAN_WORKERS", "two"),
        ("LAZARET_FETCH_BYTES", "-1"),
        ("LAZARET_VISIBILITY_SECONDS", "2"),
        ("LAZARET_JOB_ID", "../x"),
        ("LAZARET_DEFINITIONS", "/var/lib/lazaret"),
        ("LAZARET_DEFINITIONS_POLL_SECONDS", "0"),
        ("LAZARET_DEFINITIONS_MAX_AGE_SECONDS", "a week"),
        ("LAZARET_VERDICT_CACHE_ENTRIES", "-1"),
        ("LAZARET_ENGINE_LIMITS", "{\"maxDeep\":1}"),
        ("LAZARET_POLICIES_SECONDS", "0"),
        ("LAZARET_WORK", "both"),
    ] {
        let mut variables = complete();
        variables.insert(name, value);
        assert!(read(&variables).expect_err(name).to_string().starts_with(name));
    }
}

fn of_events() -> BTreeMap<&'static str, &'static str> {
    let mut variables = complete();
    for name in ["LAZARET_JOB_ID", "LAZARET_IDLE_SECONDS", "LAZARET_PROGRESS_SECONDS"] {
        variables.remove(name);
    }
    variables.extend([
        ("LAZARET_WORK", "events"),
        ("LAZARET_NOTIFICATIONS_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:lazaret-notifications"),
    ]);
    variables
}

#[test]
fn an_agent_for_events_needs_no_job_and_one_of_a_job_no_topic() {
    let Work::Events(events) = read(&of_events()).expect("complete").work else { panic!("events") };
    assert_eq!((events.notifications_topic.account(), events.notifications_topic.partition()), ("123456789012", "aws"));
    assert_eq!((events.event_bus.as_str(), events.own_role_ids.len()), ("default", 0));
    let mut variables = of_events();
    variables.insert("LAZARET_EVENT_BUS", "own");
    variables.insert("LAZARET_OWN_ROLE_IDS", "AROA1, AROA2,");
    let Work::Events(events) = read(&variables).expect("complete").work else { panic!("events") };
    assert_eq!((events.event_bus.as_str(), events.own_role_ids), ("own", vec!["AROA1".to_owned(), "AROA2".to_owned()]));
    let Work::Job(job) = read(&complete()).expect("complete").work else { panic!("a job") };
    assert_eq!(job.idle, Duration::from_secs(30));
    variables.remove("LAZARET_NOTIFICATIONS_TOPIC_ARN");
    assert_eq!(read(&variables).expect_err("no topic"), ConfigError::Missing("LAZARET_NOTIFICATIONS_TOPIC_ARN"));
}

#[test]
fn a_topic_whose_arn_tells_no_account_is_refused() {
    for arn in ["lazaret-notifications", "arn:aws:sqs:eu-central-1:123456789012:q", "arn:aws:sns:eu-central-1::t"] {
        let mut variables = of_events();
        variables.insert("LAZARET_NOTIFICATIONS_TOPIC_ARN", arn);
        assert!(read(&variables).expect_err(arn).to_string().starts_with("LAZARET_NOTIFICATIONS_TOPIC_ARN"));
    }
}

#[test]
fn policies_are_read_again_well_within_the_time_that_is_promised() {
    let mut variables = of_events();
    assert_eq!(read(&variables).expect("complete").settings.policies, Duration::from_secs(15));
    variables.insert("LAZARET_POLICIES_SECONDS", "1");
    assert_eq!(read(&variables).expect("complete").settings.policies, Duration::from_secs(1));
}

#[test]
fn the_time_to_finish_has_a_default_and_is_never_none() {
    let mut variables = complete();
    assert_eq!(read(&variables).expect("complete").settings.grace, Duration::from_secs(25));
    variables.insert("LAZARET_GRACE_SECONDS", "110");
    assert_eq!(read(&variables).expect("complete").settings.grace, Duration::from_secs(110));
    variables.insert("LAZARET_GRACE_SECONDS", "0");
    assert!(read(&variables).is_err());
}
