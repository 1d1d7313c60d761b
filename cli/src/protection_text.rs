//! How a bucket's protection reads, for a person and as JSON.

use lazaret_model::Policy;
use lazaret_model::policy::{InfectedAction, ProtectedBy, Protection, Via};
use lazaret_model::promotion::Destination;
use lazaret_protection::status::{Drift, Status};
use serde_json::{Value, json};

use crate::escape;

/// `s3://production/in/`.
pub fn destination(to: &Destination) -> String {
    format!("s3://{}/{}", to.bucket, escape::line(&to.prefix))
}

/// `standard`, or where clean objects go.
pub fn flow(protection: &Protection) -> String {
    protection.promote_to.as_ref().map_or_else(|| "standard".to_owned(), |to| format!("to {}", destination(to)))
}

/// Who protected a bucket.
pub fn by(protection: &Protection) -> &'static str {
    match protection.by {
        ProtectedBy::Command => "command",
        ProtectedBy::Tag => "tag",
    }
}

/// What is done with an infected object.
pub fn infected(policy: &Policy) -> &'static str {
    match policy.infected {
        InfectedAction::Move => "moved to quarantine",
        InfectedAction::Delete => "deleted",
        InfectedAction::Keep => "tagged, and left where they are",
    }
}

/// The lines on a bucket's settings, below its head line.
pub fn settings(policy: &Policy, protection: &Protection) -> Vec<String> {
    let clean = match &protection.promote_to {
        Some(to) => format!("promoted to {}, and deleted here", destination(to)),
        None => "left where they are".to_owned(),
    };
    let list = |patterns: &[String]| {
        let patterns: Vec<_> = patterns.iter().map(|pattern| format!("`{}`", escape::line(pattern))).collect();
        patterns.join(", ")
    };
    let mut lines = vec![
        format!("  clean objects are     {clean}"),
        format!("  infected objects are  {}", infected(policy)),
        format!("  announced             {}", json!(policy.announce).as_str().unwrap_or_default()),
    ];
    if !policy.include.is_empty() {
        lines.push(format!("  only keys like        {}", list(&policy.include)));
    }
    if !policy.skip.is_empty() {
        lines.push(format!("  but not keys like     {}", list(&policy.skip)));
    }
    let via = match protection.via {
        Via::Sns => "its own notification rules",
        Via::EventBridge => "EventBridge",
    };
    lines.push(format!("  events come by        {via}"));
    lines
}

/// What is wrong with it, a line each.
pub fn problems(status: &Status) -> Vec<String> {
    let text = |drift: &Drift| escape::line(&drift.text(&status.bucket)).into_owned();
    status.drift.iter().map(text).collect()
}

/// The same for programs.
pub fn document(status: &Status) -> Value {
    json!({
        "bucket": status.bucket,
        "policy": status.policy,
        "drift": status.drift,
        "problems": status.drift.iter().map(|drift| drift.text(&status.bucket)).collect::<Vec<_>>(),
    })
}
