//! `lazaret bucket show`: one protected bucket.

use lazaret_protection::status;

use crate::cloud::Cloud;
use crate::commands::bucket_list::warn_of_topic;
use crate::console::Console;
use crate::outcome::Outcome;
use crate::protection_text::{by, document, problems, settings};

/// Show how a bucket is protected, and what of it is not as it should be
#[derive(Debug, Clone, clap::Args)]
pub struct ShowArgs {
    pub name: String,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If the bucket is not protected, or the settings can't be read.
pub async fn run(cloud: &Cloud, args: &ShowArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let status = status::one(&cloud.site()?, &args.name).await?;
    warn_of_topic(cloud, console).await?;
    if args.json {
        console.json(&document(&status))?;
    } else {
        let since = status.protection.since.strftime("%Y-%m-%d %H:%M:%SZ");
        let mut lines =
            vec![format!("Bucket {} is protected since {since}, by {}.", status.bucket, by(&status.protection))];
        lines.extend(settings(&status.policy, &status.protection));
        lines.extend(problems(&status).into_iter().map(|problem| format!("! {problem}")));
        console.text(&lines.join("\n"))?;
    }
    Ok(Outcome::NothingFound)
}
