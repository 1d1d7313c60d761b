//! `lazaret bucket unprotect`: a bucket's new objects are no longer scanned.

use lazaret_model::policy::ProtectedBy;
use lazaret_protection::waiting::Waiting;
use lazaret_protection::{Unprotected, unprotect};
use serde_json::json;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::escape;
use crate::outcome::Outcome;
use crate::protection_text;
use crate::units;

/// Take a bucket's protection back; its other settings and the rules of others stay
#[derive(Debug, Clone, clap::Args)]
pub struct UnprotectArgs {
    pub name: String,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If the bucket is not protected, or what failed on the way.
pub async fn run(cloud: &Cloud, args: &UnprotectArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let done = unprotect(&cloud.site()?, &args.name, ProtectedBy::Command).await?;
    if let Some(ProtectedBy::Tag) = done.protection.as_ref().map(|there| there.by) {
        console.note(&format!(
            "Warning: bucket `{0}` was protected by its tag `lazaret:protect`, and will be again in a few minutes: take the tag off, or set it to `off`",
            args.name
        ))?;
    }
    if args.json {
        let waiting = done.waiting.as_ref();
        let waiting =
            waiting.map(|waiting| json!({"objects": waiting.objects, "more": waiting.more, "keys": waiting.keys}));
        console.json(
            &json!({"bucket": done.bucket, "was": done.protection, "rulesRemoved": done.rules, "waiting": waiting}),
        )?;
    } else {
        console.text(&text(&done))?;
    }
    Ok(Outcome::NothingFound)
}

fn text(done: &Unprotected) -> String {
    let mut lines = vec![format!("Bucket {} is no longer protected: new objects are not scanned.", done.bucket)];
    let to = done.protection.as_ref().and_then(|there| there.promote_to.as_ref());
    match (&done.waiting, to) {
        (Some(waiting), Some(to)) if waiting.objects > 0 => {
            let to = protection_text::destination(to);
            lines.push(format!("{} in it, which will not be promoted to {to} any more:", stand(waiting)));
            lines.extend(waiting.keys.iter().map(|key| format!("  {}", escape::line(key))));
            if waiting.more || waiting.objects > waiting.keys.len() as u64 {
                lines.push("  …".to_owned());
            }
        }
        (None, Some(_)) => {
            lines.push("What stands in it can't be listed; none of it will be promoted any more.".to_owned())
        }
        _ => {}
    }
    lines.join("\n")
}

fn stand(waiting: &Waiting) -> String {
    let objects = units::counted(waiting.objects, "object");
    let verb = if waiting.objects == 1 { "stands" } else { "stand" };
    if waiting.more { format!("More than {objects} stand") } else { format!("{objects} {verb}") }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use lazaret_model::promotion::Destination;
    use lazaret_protection::{Flow, Wish, protect};

    use super::*;
    use crate::testing::Lab;

    async fn staging(by: ProtectedBy) -> Lab {
        let lab = Lab::new();
        lab.store.create_bucket("staging", true);
        lab.store.create_bucket("production", false);
        let to = Destination { bucket: "production".into(), prefix: String::new() };
        let wish = Wish { flow: Some(Flow::TwoBucket(to)), ..Wish::new("staging", by) };
        protect(&lab.cloud().site().expect("a site"), &wish, Timestamp::now()).await.expect("protected");
        lab
    }

    fn args(json: bool) -> UnprotectArgs {
        UnprotectArgs { name: "staging".into(), json }
    }

    #[tokio::test]
    async fn what_still_waits_is_counted_and_named() {
        let lab = staging(ProtectedBy::Command).await;
        lab.store.insert("staging", "a\u{1b}[2J", "x");
        run(&lab.cloud(), &args(false), &mut lab.console()).await.expect("unprotected");
        let text = lab.out.take();
        assert!(text.contains("1 object stands in it") && text.contains("s3://production/"), "{text}");
        assert!(text.contains("a\\u{1b}[2J"), "{text}");
        assert_eq!(lab.buckets.notifications_of("staging").topics.len(), 0);
        let error = run(&lab.cloud(), &args(false), &mut lab.console()).await.expect_err("nothing left").to_string();
        assert!(error.contains("not protected"), "{error}");
    }

    #[tokio::test]
    async fn a_tag_that_would_protect_it_again_is_a_warning() {
        let lab = staging(ProtectedBy::Tag).await;
        run(&lab.cloud(), &args(true), &mut lab.console()).await.expect("unprotected");
        assert!(lab.err.text().contains("take the tag off"), "{}", lab.err.text());
        let printed = lab.json();
        assert_eq!((&printed["rulesRemoved"], &printed["was"]["by"]), (&json!(1), &json!("tag")));
        assert_eq!(printed["waiting"]["objects"], 0);
    }
}
