//! `lazaret user disable`: turns a user away.

use anyhow::Context;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::escape;
use crate::outcome::Outcome;
use crate::user_pool::{failure, find};

/// Turn a user away: he can't log in any more
#[derive(Debug, Clone, clap::Args)]
pub struct DisableArgs {
    /// The user's name
    pub name: String,
}

/// # Errors
/// If there is no such user.
pub async fn run(cloud: &Cloud, args: &DisableArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let name = args.name.as_str();
    let pool = find(cloud).await?;
    // in this order: between the two he could log in again
    pool.disable(name).await.map_err(|error| failure(name, error))?;
    pool.sign_out(name).await.map_err(|error| failure(name, error)).with_context(|| {
        format!("user `{name}` is disabled, but what he could get new tokens with still counts: try again")
    })?;
    console.text(&format!(
        "Disabled user `{}`: he can't log in. Tokens that he has count until they expire, within an hour.",
        escape::line(name)
    ))?;
    Ok(Outcome::NothingFound)
}

#[cfg(test)]
mod tests {
    use lazaret_aws::UserPool;
    use lazaret_aws::fake::throttled;
    use lazaret_aws::users::{Password, UserError};

    use super::*;
    use crate::commands::user_enable::{self, EnableArgs};
    use crate::testing::Lab;

    const SECRET: &str = "correct horse";

    async fn disable(lab: &Lab, name: &str) -> anyhow::Result<Outcome> {
        run(&lab.cloud(), &DisableArgs { name: name.into() }, &mut lab.console()).await
    }

    async fn enable(lab: &Lab, name: &str) -> anyhow::Result<Outcome> {
        user_enable::run(&lab.cloud(), &EnableArgs { name: name.into() }, &mut lab.console()).await
    }

    async fn with_ada() -> Lab {
        let lab = Lab::new();
        lab.users.create("ada", None).await.expect("made");
        lab.users.set_password("ada", &Password::new(SECRET.into())).await.expect("set");
        lab
    }

    #[tokio::test]
    async fn a_disabled_user_is_turned_away_until_he_is_enabled() {
        let lab = with_ada().await;
        disable(&lab, "ada").await.expect("disabled");
        assert!(!lab.users.lets_in("ada", SECRET));
        assert_eq!(lab.users.sign_outs("ada"), 1);
        assert!(lab.out.take().contains("within an hour"), "tokens are not asked about");
        disable(&lab, "ada").await.expect("once more");
        enable(&lab, "ada").await.expect("enabled");
        assert!(lab.users.lets_in("ada", SECRET));
    }

    #[tokio::test]
    async fn a_user_who_is_not_there_is_an_error_with_his_name() {
        let lab = with_ada().await;
        for error in [disable(&lab, "eva").await, enable(&lab, "eva").await] {
            let error = error.expect_err("nobody").to_string();
            assert!(error.contains("there is no user `eva`"), "{error}");
        }
    }

    #[tokio::test]
    async fn one_who_was_disabled_and_not_signed_out_is_said_and_can_be_done_again() {
        let lab = with_ada().await;
        lab.users.faults.fail("sign_out", 1, UserError::Service(throttled("AdminUserGlobalSignOut")));
        let error = format!("{:#}", disable(&lab, "ada").await.expect_err("half done"));
        assert!(error.contains("`ada` is disabled, but") && error.contains("Rate exceeded"), "{error}");
        assert!(!lab.users.lets_in("ada", SECRET));
        disable(&lab, "ada").await.expect("disabled");
        assert_eq!(lab.users.sign_outs("ada"), 1);
    }

    #[tokio::test]
    async fn a_user_without_a_password_is_enabled_with_a_word_about_it() {
        let lab = Lab::new();
        lab.users.create("ada", None).await.expect("made");
        enable(&lab, "ada").await.expect("enabled");
        assert!(lab.err.text().contains("lazaret user reset ada --password-stdin"), "{}", lab.err.text());
    }
}
