//! `lazaret user reset`: another password.

use std::io::Read;

use anyhow::Context;

use crate::cloud::Cloud;
use crate::console::Console;
use crate::escape;
use crate::outcome::Outcome;
use crate::user_pool::{failure, find, password};

/// Set another password, with which the user can log in at once
#[derive(Debug, Clone, clap::Args)]
pub struct ResetArgs {
    /// The user's name
    pub name: String,
    /// Read the password from standard input, the only place that it is taken from
    #[arg(long, required = true)]
    pub password_stdin: bool,
}

/// # Errors
/// If there is no such user, or the pool refuses the password.
pub async fn run(cloud: &Cloud, args: &ResetArgs, input: impl Read, console: &mut Console) -> anyhow::Result<Outcome> {
    let name = args.name.as_str();
    let password = password(input)?;
    let pool = find(cloud).await?;
    pool.set_password(name, &password).await.map_err(|error| failure(name, error))?;
    pool.sign_out(name).await.map_err(|error| failure(name, error)).with_context(|| {
        format!("the password of `{name}` was set, but what he could get new tokens with by the old one still counts: try again")
    })?;
    console.text(&format!(
        "Set the password of `{}`. Tokens that he has count until they expire, within an hour.",
        escape::line(name)
    ))?;
    let user = pool.get(name).await.map_err(|error| failure(name, error))?;
    if user.is_some_and(|user| !user.enabled) {
        console.note(&format!("He is disabled: `lazaret user enable {}` lets him in.", escape::line(name)))?;
    }
    Ok(Outcome::NothingFound)
}

#[cfg(test)]
mod tests {
    use lazaret_aws::UserPool;
    use lazaret_aws::fake::throttled;
    use lazaret_aws::users::UserError;

    use super::*;
    use crate::testing::Lab;

    async fn reset(lab: &Lab, name: &str, input: &str) -> anyhow::Result<Outcome> {
        let args = ResetArgs { name: name.into(), password_stdin: true };
        run(&lab.cloud(), &args, input.as_bytes(), &mut lab.console()).await
    }

    #[tokio::test]
    async fn the_new_password_counts_and_the_old_sessions_end() {
        let lab = Lab::new();
        lab.users.create("ada", None).await.expect("made");
        reset(&lab, "ada", "first password").await.expect("set");
        assert!(lab.users.lets_in("ada", "first password"), "he had none before");
        reset(&lab, "ada", "second password").await.expect("set");
        assert!(lab.users.lets_in("ada", "second password") && !lab.users.lets_in("ada", "first password"));
        assert_eq!(lab.users.sign_outs("ada"), 2);
        assert!(lab.out.text().contains("within an hour") && !lab.out.text().contains("second password"));
        assert!(lab.err.text().is_empty());
    }

    #[tokio::test]
    async fn a_refused_password_changes_nothing_and_an_unknown_user_is_named() {
        let lab = Lab::new();
        lab.users.create("ada", None).await.expect("made");
        reset(&lab, "ada", "first password").await.expect("set");
        let error = reset(&lab, "ada", "short").await.expect_err("too short").to_string();
        assert!(error.contains("refuses that password") && !error.contains("`short`"), "{error}");
        assert!(lab.users.lets_in("ada", "first password"));
        let error = reset(&lab, "eva", "first password").await.expect_err("nobody").to_string();
        assert!(error.contains("there is no user `eva`") && error.contains("lazaret user list"), "{error}");
    }

    #[tokio::test]
    async fn a_reset_that_stopped_half_way_says_so_and_can_be_given_again() {
        let lab = Lab::new();
        lab.users.create("ada", None).await.expect("made");
        lab.users.faults.fail("sign_out", 1, UserError::Service(throttled("AdminUserGlobalSignOut")));
        let error = format!("{:#}", reset(&lab, "ada", "a new password").await.expect_err("half done"));
        assert!(error.contains("was set, but") && error.contains("try again"), "{error}");
        reset(&lab, "ada", "a new password").await.expect("set");
        assert_eq!(lab.users.sign_outs("ada"), 1);
    }

    #[tokio::test]
    async fn a_disabled_user_stays_so_and_that_is_said() {
        let lab = Lab::new();
        lab.users.create("ada", None).await.expect("made");
        lab.users.disable("ada").await.expect("disabled");
        reset(&lab, "ada", "a new password").await.expect("set");
        assert!(lab.err.text().contains("lazaret user enable ada") && !lab.users.lets_in("ada", "a new password"));
    }
}
