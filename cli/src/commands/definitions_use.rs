//! `lazaret definitions use`: puts a version in force that was published before.

use anyhow::Context;
use lazaret_definitions::switch_to;
use lazaret_model::DefinitionsVersion;
use serde_json::json;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::outcome::Outcome;

/// Put a published version in force, an older one too
#[derive(Debug, Clone, clap::Args)]
pub struct UseArgs {
    /// The version, as `lazaret definitions list` names it
    pub version: String,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If there is no such version, or it is not whole.
pub async fn run(cloud: &Cloud, args: &UseArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let version: DefinitionsVersion = args.version.parse().context("no such version")?;
    let before = switch_to(cloud.store.as_ref(), &cloud.results_bucket, &version).await?;
    if args.json {
        console.json(&json!({"version": version, "before": before}))?;
    } else {
        let before = before.filter(|before| *before != version);
        let before = before.map_or(String::new(), |before| format!(" in place of {before}"));
        console.text(&format!(
            "Version {version} is in force{before}. The next `lazaret definitions update` with a newer set replaces it."
        ))?;
    }
    Ok(Outcome::NothingFound)
}

#[cfg(test)]
mod tests {
    use lazaret_definitions::publish::Tried;
    use lazaret_definitions::{DefinitionsSet, Move, publish};
    use lazaret_model::layout;

    use super::*;
    use crate::commands::{definitions_list, definitions_show};
    use crate::testing::{Lab, RESULTS, Shared};

    async fn published(lab: &Lab, rule: &str) -> DefinitionsVersion {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("own.ndb"), rule).expect("written");
        let set = DefinitionsSet::read(directory.path()).expect("a set");
        let tried = Tried { signatures: 1, engine_version: "ClamAV 1.4.6".into() };
        publish(&lab.store, RESULTS, &set, &tried, Move::Anywhere).await.expect("published");
        set.version
    }

    async fn shown(lab: &mut Lab, json: bool) -> String {
        lab.out = Shared::default();
        let args = definitions_show::ShowArgs { version: None, json };
        definitions_show::run(&lab.cloud(), &args, &mut lab.console()).await.expect("shown");
        lab.out.text()
    }

    #[tokio::test]
    async fn versions_are_listed_shown_and_put_in_force_again() {
        let mut lab = Lab::new();
        let (old, new) = (published(&lab, "A:0:*:aabbccdd").await, published(&lab, "B:0:*:aabbccdd").await);
        assert!(shown(&mut lab, false).await.contains(&format!("{new}, in force")));
        let args = UseArgs { version: old.to_string(), json: true };
        run(&lab.cloud(), &args, &mut lab.console()).await.expect("switched");
        let document: serde_json::Value = serde_json::from_str(&shown(&mut lab, true).await).expect("JSON");
        assert_eq!((&document["version"], &document["inForce"]), (&json!(old), &json!(true)));
        assert_eq!(document["files"][0]["name"], "own.ndb");

        lab.out = Shared::default();
        let list = |json| definitions_list::ListArgs { json };
        definitions_list::run(&lab.cloud(), &list(false), &mut lab.console()).await.expect("a list");
        let text = lab.out.text();
        assert!(text.contains(&format!("* {old}")) && text.contains(&format!("  {new}")), "{text}");
    }

    #[tokio::test]
    async fn what_is_not_there_is_named_with_a_way_out() {
        let lab = Lab::new();
        let show = |version: Option<&str>| definitions_show::ShowArgs { version: version.map(Into::into), json: false };
        let error = definitions_show::run(&lab.cloud(), &show(None), &mut lab.console()).await.expect_err("none");
        assert!(error.to_string().contains("lazaret definitions update"), "{error}");
        let error =
            definitions_show::run(&lab.cloud(), &show(Some("../x")), &mut lab.console()).await.expect_err("none");
        assert!(format!("{error:#}").contains("`../x`"), "{error:#}");
        let args = UseArgs { version: "set-1".into(), json: false };
        let error = run(&lab.cloud(), &args, &mut lab.console()).await.expect_err("none");
        assert!(error.to_string().contains("`set-1`") && error.to_string().contains("list"), "{error}");
        assert!(!lab.store.exists(RESULTS, layout::DEFINITIONS_POINTER_KEY));
    }
}
