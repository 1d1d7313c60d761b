//! `lazaret quarantine restore`: puts a copy back, and allows its content.

use anyhow::{Context, bail};
use jiff::Timestamp;
use lazaret_actions::restore::{Restore, RestoreError, restore};
use lazaret_model::{BucketScope, Policies, layout};
use serde_json::json;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::escape;
use crate::outcome::Outcome;
use crate::quarantine::remove::{Removed, take_away};
use crate::quarantine::{entry, find};

/// Put a copy back where it was, and allow its content for what was found in it
///
/// Its bytes are read once, to see that they are those that were judged, and are not opened.
#[derive(Debug, Clone, clap::Args)]
pub struct RestoreArgs {
    /// At least 8 of its digits, or its whole key
    pub id: String,
    /// Put it there and not where it was
    #[arg(long, value_name = "s3://BUCKET/KEY")]
    pub to: Option<String>,
    /// Even if there is an object already
    #[arg(long)]
    pub overwrite: bool,
    /// Do it: without this, it is only said what would be done
    #[arg(long)]
    pub yes: bool,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If there is no such copy, it is not what was judged, the place is taken, or a step failed.
pub async fn run(cloud: &Cloud, args: &RestoreArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let found = find::one(cloud, &args.id).await?;
    let object = &found.record.row.object;
    let to = match &args.to {
        Some(text) => place(text)?,
        None => BucketScope { name: object.bucket.clone(), prefix: object.key.clone() },
    };
    let shown = format!("s3://{}/{}", to.name, escape::line(&to.prefix));
    if !found.has_record {
        console.note(
            "Warning: this copy has no record. Its key, metadata and tags are what the copy says of itself, and of what was found only the first is known.",
        )?;
    }
    if !args.yes {
        bail!(
            "this would put {} ({}) back to {shown}, and from then on its content would be InfectedAllowed in every bucket: add --yes to do it",
            found.id,
            found.threat()
        );
    }
    let copy = entry::head(cloud.store.as_ref(), &cloud.quarantine_bucket, &found.key).await?;
    let policies = policies(cloud).await?;
    let order = Restore {
        copy: &copy,
        record: &found.record,
        bucket: &to.name,
        key: &to.prefix,
        overwrite: args.overwrite,
        tag_keys: &policies.of(&to.name).tag_keys,
        results_bucket: &cloud.results_bucket,
        at: Timestamp::now(),
        by: cloud.caller.as_deref().unwrap_or_default(),
    };
    let restored = match restore(cloud.store.as_ref(), order).await {
        Err(RestoreError::Exists) => {
            bail!("there is an object at {shown} already: add --overwrite, or choose another place with --to")
        }
        outcome => outcome?,
    };
    if restored.untagged {
        console.note("Warning: it has ten tags of its owner's, so that it carries no `scan-result`.")?;
    }
    let removed = take_away(cloud, &found.key).await.with_context(|| {
        format!(
            "it is restored to {shown}, but could not be taken out of quarantine: lazaret quarantine delete {}",
            found.id
        )
    })?;
    let kept = match removed {
        Removed::Gone => None,
        Removed::Locked(until) => Some(until),
    };
    if args.json {
        console.json(&json!({
            "id": found.id, "bucket": to.name, "key": to.prefix, "sha256": restored.sha256, "threats": restored.threats, "keptUntil": kept,
        }))?;
        return Ok(Outcome::NothingFound);
    }
    let threats: Vec<_> = restored.threats.iter().map(|threat| escape::line(threat)).collect();
    let mut lines = vec![
        format!("Restored to {shown}."),
        format!("Its content (SHA-256 {}) is allowed for {}.", restored.sha256, threats.join(", ")),
    ];
    if let Some(until) = kept {
        lines.push(format!("The copy stays in quarantine until {until}: Object Lock keeps it."));
    }
    console.text(&lines.join("\n"))?;
    Ok(Outcome::NothingFound)
}

fn place(text: &str) -> anyhow::Result<BucketScope> {
    let place = BucketScope::parse(text);
    if !text.starts_with("s3://") || place.name.is_empty() || place.prefix.is_empty() {
        bail!("`{}` is not a place for an object: write s3://BUCKET/KEY", escape::line(text));
    }
    Ok(place)
}

async fn policies(cloud: &Cloud) -> anyhow::Result<Policies> {
    let stored = cloud.store.get(&cloud.results_bucket, layout::POLICIES_KEY).await;
    match stored.context("reading settings/policies.json")? {
        Some(stored) => serde_json::from_slice(&stored.bytes).context("reading settings/policies.json"),
        None => Ok(Policies::default()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use lazaret_actions::quarantine::quarantine;
    use lazaret_aws::fake::FakeObject;
    use lazaret_model::quarantine::{quarantine_key, record_key};
    use lazaret_model::tags::TagKeys;
    use lazaret_model::{AllowedContent, Evidence, ResultRow};
    use serde_json::json;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::commands::{quarantine_delete, quarantine_list, quarantine_show};
    use crate::testing::{Lab, QUARANTINE, RESULTS, infected};

    const HOSTILE: &str = "a\u{1b}[2J.exe";

    fn sha256(content: &str) -> String {
        Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Moves an object there, as an agent does. Returns its id.
    async fn moved(lab: &Lab, bucket: &str, key: &str, content: &'static str) -> String {
        lab.store.insert_object(bucket, key, FakeObject::new(content).metadata("mine", "m").tag("team", "a"));
        let row = ResultRow {
            object: lab.store.pinned_ref(bucket, key),
            verdict: infected("Test.Virus"),
            action: None,
            scanned_at: Timestamp::now(),
            evidence: Evidence { sha256: Some(sha256(content)), ..Evidence::default() },
        };
        let to = quarantine_key(&row.object);
        quarantine(&lab.store, &TagKeys::default(), &row, QUARANTINE, &to).await.expect("moved");
        entry::id_of(&to).expect("an id").to_owned()
    }

    fn lab() -> Lab {
        let lab = Lab::new();
        lab.store.create_bucket("uploads", false);
        lab.store.create_bucket("other", true);
        lab
    }

    fn args(id: &str) -> RestoreArgs {
        RestoreArgs { id: id.to_owned(), to: None, overwrite: false, yes: true, json: true }
    }

    fn copy_key(lab: &Lab, id: &str) -> String {
        lab.store.keys(QUARANTINE, "").into_iter().find(|key| key.ends_with(id)).expect("a copy")
    }

    async fn listed(lab: &Lab, bucket: Option<&str>, since: Option<&str>) -> Vec<String> {
        let (bucket, since) = (bucket.map(str::to_owned), since.map(str::to_owned));
        let args = quarantine_list::ListArgs { bucket, since, json: true };
        quarantine_list::run(&lab.cloud(), &args, &mut lab.console()).await.expect("a list");
        let copies = lab.json()["copies"].clone();
        copies.as_array().expect("copies").iter().map(|copy| copy["id"].as_str().expect("an id").to_owned()).collect()
    }

    #[tokio::test]
    async fn what_is_in_quarantine_is_listed_and_shown_without_a_trick_of_its_key() {
        let lab = lab();
        let (one, two) = (moved(&lab, "other", "k", "x").await, moved(&lab, "uploads", HOSTILE, "y").await);
        lab.store.insert(QUARANTINE, "somebody/elses", "z");
        assert_eq!(listed(&lab, None, None).await, [one.clone(), two.clone()]);
        assert_eq!(listed(&lab, Some("uploads"), None).await, std::slice::from_ref(&two));
        assert_eq!(listed(&lab, None, Some("2999-01-01")).await.len(), 0);
        let args = quarantine_list::ListArgs { bucket: None, since: None, json: false };
        quarantine_list::run(&lab.cloud(), &args, &mut lab.console()).await.expect("a list");
        let text = lab.out.take();
        assert!(text.contains("s3://uploads/a\\u{1b}[2J.exe") && text.contains(&two[..12]), "{text}");

        let show = |id: &str, json| quarantine_show::ShowArgs { id: id.to_owned(), json };
        quarantine_show::run(&lab.cloud(), &show(&two[..8], false), &mut lab.console()).await.expect("shown");
        let text = lab.out.take();
        assert!(text.contains(&sha256("y")) && text.contains("Test.Virus") && !text.contains('\u{1b}'), "{text}");
        quarantine_show::run(&lab.cloud(), &show(&copy_key(&lab, &two), true), &mut lab.console())
            .await
            .expect("shown");
        let printed = lab.json();
        assert_eq!((&printed["key"], &printed["headers"]["metadata"]["mine"]), (&json!(HOSTILE), &json!("m")));
    }

    #[tokio::test]
    async fn a_restored_object_is_as_it_was_allowed_and_gone_from_quarantine() {
        let lab = lab();
        let id = moved(&lab, "uploads", "k", "x").await;
        let cloud = Cloud { caller: Some("arn:aws:iam::1:user/ada".into()), ..lab.cloud() };
        run(&cloud, &args(&id[..8]), &mut lab.console()).await.expect("restored");
        let printed = lab.json();
        assert_eq!((&printed["sha256"], &printed["keptUntil"]), (&json!(sha256("x")), &json!(null)));
        assert_eq!(lab.store.bytes("uploads", "k").expect("there"), "x");
        let tags: Vec<_> = lab.store.tags_of("uploads", "k").into_iter().map(|tag| (tag.key, tag.value)).collect();
        assert!(
            tags.contains(&("scan-result".into(), "InfectedAllowed".into()))
                && tags.contains(&("team".into(), "a".into()))
        );
        let allowed = lab.store.bytes(RESULTS, &layout::allowed_key(&sha256("x"))).expect("allowed");
        let allowed: AllowedContent = serde_json::from_slice(&allowed).expect("JSON");
        assert_eq!((allowed.threats.join(","), allowed.by), ("Test.Virus".into(), "arn:aws:iam::1:user/ada".into()));
        assert_eq!(lab.store.keys(QUARANTINE, ""), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_taken_place_a_wrong_place_and_a_missing_yes_change_nothing() {
        let lab = lab();
        let id = moved(&lab, "uploads", "k", "x").await;
        lab.store.insert("uploads", "k", "newer");
        let to = |to: &str| RestoreArgs { to: Some(to.to_owned()), ..args(&id) };
        for (args, words) in [
            (args(&id), "s3://uploads/k already: add --overwrite"),
            (RestoreArgs { yes: false, ..args(&id) }, "add --yes"),
            (to("other/k"), "s3://BUCKET/KEY"),
            (to("s3://other"), "s3://BUCKET/KEY"),
            (to("s3://no-such/k"), "does not exist"),
            (args("0123"), "at least 8"),
            (args("zzzzzzzzz"), "at least 8"),
            (args("0123456789"), "nothing in quarantine has the id"),
        ] {
            let error = run(&lab.cloud(), &args, &mut lab.console()).await.expect_err(words);
            assert!(format!("{error:#}").contains(words), "{error:#}");
        }
        assert_eq!(lab.store.bytes("uploads", "k").expect("untouched"), "newer");
        assert_eq!(listed(&lab, None, None).await, std::slice::from_ref(&id));
        run(&lab.cloud(), &to("s3://other/in/k"), &mut lab.console()).await.expect("restored elsewhere");
        assert_eq!(lab.store.bytes("other", "in/k").expect("there"), "x");
    }

    #[tokio::test]
    async fn a_copy_that_is_not_what_was_judged_stays() {
        let lab = lab();
        let id = moved(&lab, "uploads", "k", "x").await;
        lab.store.overwrite(QUARANTINE, &copy_key(&lab, &id), "y");
        let error = run(&lab.cloud(), &args(&id), &mut lab.console()).await.expect_err("another").to_string();
        assert!(error.contains(&sha256("y")) && error.contains(&sha256("x")), "{error}");
        assert!(!lab.store.exists("uploads", "k") && lab.store.keys(RESULTS, "settings/").is_empty());
    }

    #[tokio::test]
    async fn a_copy_without_a_record_is_restored_from_what_it_says_of_itself() {
        let lab = lab();
        let id = moved(&lab, "uploads", "k ü", "x").await;
        let key = copy_key(&lab, &id);
        lab.store.remove(QUARANTINE, &record_key(&key));
        assert_eq!(listed(&lab, None, None).await, std::slice::from_ref(&id));
        run(&lab.cloud(), &args(&id), &mut lab.console()).await.expect("restored");
        assert!(lab.err.text().contains("has no record"), "{}", lab.err.text());
        assert_eq!(lab.json()["threats"], json!(["Test.Virus"]));
        let tags = lab.store.tags_of("uploads", "k ü");
        assert!(tags.iter().any(|tag| tag.key == "team") && tags.iter().all(|tag| tag.value != "Infected"));
        assert_eq!(lab.store.keys(QUARANTINE, ""), Vec::<String>::new());
    }

    #[tokio::test]
    async fn object_lock_keeps_the_copy_and_is_named() {
        let lab = lab();
        let id = moved(&lab, "uploads", "k", "x").await;
        let key = copy_key(&lab, &id);
        let until: Timestamp = "2026-12-24T00:00:00Z".parse().expect("a timestamp");
        lab.buckets.retain(QUARANTINE, &key, until);
        let locked = lazaret_aws::fake::FailingStore::new(lab.store.clone());
        locked.faults.fail_always("delete", lazaret_aws::StoreError::AccessDenied("protected by object lock".into()));
        let cloud = Cloud { store: std::sync::Arc::new(locked), ..lab.cloud() };
        let delete = |yes| quarantine_delete::DeleteArgs { id: id.clone(), yes, json: false };
        let error =
            quarantine_delete::run(&cloud, &delete(true), &mut lab.console()).await.expect_err("locked").to_string();
        assert!(error.contains("2026-12-24T00:00:00Z") && error.contains("Object Lock"), "{error}");
        run(&cloud, &RestoreArgs { json: false, ..args(&id) }, &mut lab.console()).await.expect("restored");
        let text = lab.out.take();
        assert!(text.contains("until 2026-12-24T00:00:00Z") && text.contains("Restored to s3://uploads/k"), "{text}");
        assert_eq!(listed(&lab, None, None).await, std::slice::from_ref(&id), "with its record");

        lab.buckets.retain(QUARANTINE, "another", until);
        let denied = moved(&lab, "other", "k", "z").await;
        let error = run(&cloud, &args(&denied), &mut lab.console()).await.expect_err("may not delete");
        assert!(format!("{error:#}").contains("could not be taken out of quarantine"), "{error:#}");
    }

    #[tokio::test]
    async fn a_deleted_copy_is_gone_with_its_record_and_only_with_yes() {
        let lab = lab();
        let (id, kept) = (moved(&lab, "uploads", "k", "x").await, moved(&lab, "uploads", "l", "y").await);
        let delete = |yes| quarantine_delete::DeleteArgs { id: id.clone(), yes, json: false };
        let error = quarantine_delete::run(&lab.cloud(), &delete(false), &mut lab.console()).await.expect_err("no yes");
        assert!(error.to_string().contains("add --yes"), "{error}");
        assert_eq!(listed(&lab, None, None).await.len(), 2);
        quarantine_delete::run(&lab.cloud(), &delete(true), &mut lab.console()).await.expect("deleted");
        assert!(lab.out.take().contains("s3://uploads/k"));
        assert_eq!((listed(&lab, None, None).await, lab.store.keys(QUARANTINE, "").len()), (vec![kept], 2));
    }
}
