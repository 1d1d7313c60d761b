//! `lazaret bucket list`: the protected buckets, and what of them is not as it should be.

use lazaret_protection::status::{self, Status};
use serde_json::json;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::outcome::Outcome;
use crate::protection_text::{by, document, flow, problems};

/// List the protected buckets, and what of them is not as it should be
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If the settings can't be read.
pub async fn run(cloud: &Cloud, args: &ListArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let site = cloud.site()?;
    let found = status::all(&site).await?;
    warn_of_topic(cloud, console).await?;
    if args.json {
        console.json(&json!({"buckets": found.iter().map(document).collect::<Vec<_>>()}))?;
    } else if found.is_empty() {
        console.text("No bucket is protected: `lazaret bucket protect NAME` does it.")?;
    } else {
        console.text(&table(&found))?;
    }
    Ok(Outcome::NothingFound)
}

/// Without it no bucket's events arrive. Only its owner may ask; who may not is not told.
pub async fn warn_of_topic(cloud: &Cloud, console: &mut Console) -> anyhow::Result<()> {
    if let Ok(false) = cloud.topics.exists(&cloud.events_topic_arn).await {
        console.note(&format!(
            "Warning: the topic {} is gone, so no events of any bucket arrive: deploy the stack `lazaret-events` again",
            cloud.events_topic_arn
        ))?;
    }
    Ok(())
}

fn table(found: &[Status]) -> String {
    let width = found.iter().map(|status| status.bucket.len()).max().unwrap_or_default().max("BUCKET".len());
    let mut lines = vec![format!("{:<width$}  {:<20}  {:<7}  {:<6}  FLOW", "BUCKET", "SINCE", "BY", "STATE")];
    for status in found {
        lines.push(format!(
            "{:<width$}  {:<20}  {:<7}  {:<6}  {}",
            status.bucket,
            status.protection.since.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            by(&status.protection),
            if status.drift.is_empty() { "ok" } else { "BROKEN" },
            flow(&status.protection),
        ));
        lines.extend(problems(status).into_iter().map(|problem| format!("{:width$}  ! {problem}", "")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use lazaret_aws::buckets::Notifications;
    use lazaret_model::policy::ProtectedBy;
    use lazaret_protection::{Wish, protect};

    use super::*;
    use crate::commands::bucket_show;
    use crate::testing::{Lab, TOPIC};

    async fn protected(names: &[&str]) -> Lab {
        let lab = Lab::new();
        for name in names {
            lab.store.create_bucket(name, false);
            let wish = Wish::new(*name, ProtectedBy::Command);
            protect(&lab.cloud().site().expect("a site"), &wish, Timestamp::now()).await.expect("protected");
        }
        lab
    }

    #[tokio::test]
    async fn a_broken_protection_stands_out_with_what_to_do() {
        let lab = protected(&["archive", "uploads"]).await;
        lab.buckets.set_notifications("uploads", Notifications::default());
        run(&lab.cloud(), &ListArgs { json: false }, &mut lab.console()).await.expect("a list");
        let text = lab.out.take();
        let (ok, broken) = (text.find("ok").expect("archive"), text.find("BROKEN").expect("uploads"));
        assert!(ok < broken && text.contains("! its events are off") && lab.err.text().is_empty(), "{text}");
        run(&lab.cloud(), &ListArgs { json: true }, &mut lab.console()).await.expect("a list");
        let printed = lab.json();
        assert_eq!(printed["buckets"][0]["drift"], json!([]));
        assert_eq!(printed["buckets"][1]["drift"], json!([{"kind": "eventsOff"}]));

        let show = |json| bucket_show::ShowArgs { name: "uploads".into(), json };
        bucket_show::run(&lab.cloud(), &show(false), &mut lab.console()).await.expect("shown");
        let text = lab.out.take();
        assert!(text.contains("moved to quarantine") && text.contains("! its events are off"), "{text}");
        bucket_show::run(&lab.cloud(), &show(true), &mut lab.console()).await.expect("shown");
        assert_eq!(lab.json()["bucket"], "uploads");
    }

    #[tokio::test]
    async fn a_topic_that_is_gone_is_said() {
        let lab = protected(&["uploads"]).await;
        lab.topics.remove(TOPIC);
        run(&lab.cloud(), &ListArgs { json: true }, &mut lab.console()).await.expect("a list");
        assert!(lab.err.text().contains("no events of any bucket arrive"), "{}", lab.err.text());
    }

    #[tokio::test]
    async fn nothing_protected_says_how_to_begin() {
        let lab = Lab::new();
        run(&lab.cloud(), &ListArgs { json: false }, &mut lab.console()).await.expect("a list");
        assert!(lab.out.text().contains("lazaret bucket protect NAME"));
        let args = bucket_show::ShowArgs { name: "uploads".into(), json: false };
        let error = bucket_show::run(&lab.cloud(), &args, &mut lab.console()).await.expect_err("not protected");
        assert!(error.to_string().contains("`uploads` is not protected"), "{error}");
    }
}
