//! `lazaret quarantine show`: one copy, and all that is known of it.

use crate::cloud::Cloud;
use crate::console::Console;
use crate::escape;
use crate::outcome::Outcome;
use crate::quarantine::entry::Entry;
use crate::quarantine::find;
use crate::units;

/// Show one copy in quarantine: what it was, and what was found in it
#[derive(Debug, Clone, clap::Args)]
pub struct ShowArgs {
    /// At least 8 of its digits, or its whole key
    pub id: String,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If there is no such copy, or more than one.
pub async fn run(cloud: &Cloud, args: &ShowArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let entry = find::one(cloud, &args.id).await?;
    if args.json {
        let mut document = entry.document();
        document["headers"] = serde_json::json!(entry.record.headers);
        document["tags"] = serde_json::json!(entry.record.tags);
        console.json(&document)?;
    } else {
        console.text(&text(cloud, &entry))?;
    }
    Ok(Outcome::NothingFound)
}

fn text(cloud: &Cloud, entry: &Entry) -> String {
    let row = &entry.record.row;
    let moment = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let version = row.object.version_id.as_deref().unwrap_or("-");
    let mut lines = vec![
        format!("Id           {}", entry.id),
        format!("Was          {}", entry.place()),
        format!("Version      {}, {}", escape::line(version), units::bytes(row.object.size)),
        format!("Verdict      {}, at {}", row.verdict.name(), moment(row.scanned_at)),
    ];
    for finding in row.verdict.findings() {
        let member = escape::line(&finding.member);
        let within = if member.is_empty() { String::new() } else { format!(" ({member})") };
        lines.push(format!("  {}{within}", escape::line(&finding.threat)));
    }
    lines.push(format!("Definitions  {}", escape::line(row.evidence.definitions.as_deref().unwrap_or("-"))));
    lines.push(format!("SHA-256      {}", escape::line(row.evidence.sha256.as_deref().unwrap_or("-"))));
    lines.push(format!("Quarantined  {}", moment(entry.record.quarantined_at)));
    lines.push(format!("Copy         s3://{}/{}", cloud.quarantine_bucket, escape::line(&entry.key)));
    if !entry.has_record {
        lines.push(
            "It has no record: what is said here is what the copy says of itself, as far as there was room.".into(),
        );
    }
    lines.join("\n")
}
