//! `lazaret user create`: a user of the verdict API, who can log in at once.

use std::io::Read;

use anyhow::{Context, bail};
use lazaret_aws::UserPool;
use lazaret_aws::users::{User, UserError};

use crate::cloud::Cloud;
use crate::console::Console;
use crate::escape;
use crate::outcome::Outcome;
use crate::user_pool::{failure, find, password};

/// Make a user of the verdict API, who can log in at once
#[derive(Debug, Clone, clap::Args)]
pub struct CreateArgs {
    /// The name to log in with
    pub name: String,
    /// The user's address, for people to read: nothing is sent to it
    #[arg(long, value_name = "E")]
    pub email: Option<String>,
    /// Read the password from standard input, the only place that it is taken from
    #[arg(long, required = true)]
    pub password_stdin: bool,
}

/// # Errors
/// If there is no pool, it refuses name or password, or the user is there already.
pub async fn run(cloud: &Cloud, args: &CreateArgs, input: impl Read, console: &mut Console) -> anyhow::Result<Outcome> {
    let name = args.name.as_str();
    let password = password(input)?;
    let pool = find(cloud).await?;
    match pool.create(name, args.email.as_deref()).await {
        Ok(()) => {}
        Err(UserError::Exists) => bail!(there_already(&*pool, name).await?),
        Err(error) => return Err(failure(name, error)),
    }
    if let Err(error) = pool.set_password(name, &password).await {
        return Err(undo(&*pool, name, failure(name, error)).await);
    }
    console.text(&format!("Made user `{}`, who can log in from now on.", escape::line(name)))?;
    Ok(Outcome::NothingFound)
}

/// What to do about a user who is there. One without a password may be what a `create` left that was cut off in the middle.
async fn there_already(pool: &dyn UserPool, name: &str) -> anyhow::Result<String> {
    let reset = format!("`lazaret user reset {name} --password-stdin`");
    let found = pool.get(name).await.with_context(|| format!("there is a user `{name}` already; looking at him"))?;
    Ok(match found {
        Some(user) if user.status == User::FORCE_CHANGE_PASSWORD => format!(
            "there is a user `{name}` already, who has no password of his own (an earlier create may have been cut off): {reset} sets one"
        ),
        _ => format!("there is a user `{name}` already: choose another name, or set a new password with {reset}"),
    })
}

/// Takes back a user who was made and got no password, so that the command can be given again.
async fn undo(pool: &dyn UserPool, name: &str, why: anyhow::Error) -> anyhow::Error {
    match pool.delete(name).await {
        Ok(()) | Err(UserError::NotFound) => why.context(format!("no user `{name}` was made")),
        Err(error) => why.context(format!(
            "user `{name}` was made, but has no password and can't log in; he could not be deleted again either ({error}): \
             `lazaret user reset {name} --password-stdin` sets a password"
        )),
    }
}

#[cfg(test)]
mod tests {
    use lazaret_aws::fake::{refused, throttled};
    use lazaret_aws::users::Password;

    use super::*;
    use crate::testing::Lab;

    const SECRET: &str = "correct horse";

    async fn create(lab: &Lab, name: &str, input: &str) -> anyhow::Result<Outcome> {
        let args = CreateArgs { name: name.into(), email: Some("a@b.c".into()), password_stdin: true };
        run(&lab.cloud(), &args, input.as_bytes(), &mut lab.console()).await
    }

    #[tokio::test]
    async fn a_new_user_can_log_in_at_once() {
        let lab = Lab::new();
        create(&lab, "ada", &format!("{SECRET}\n")).await.expect("made");
        assert!(lab.users.lets_in("ada", SECRET));
        let user = lab.users.get("ada").await.expect("an answer").expect("a user");
        assert_eq!(user.email.as_deref(), Some("a@b.c"));
        assert!(lab.out.text().contains("`ada`") && !lab.out.text().contains(SECRET));
    }

    #[tokio::test]
    async fn a_password_that_is_refused_leaves_no_user_and_is_not_shown() {
        let lab = Lab::new();
        let error = format!("{:#}", create(&lab, "ada", "short").await.expect_err("too short"));
        assert!(error.starts_with("no user `ada` was made: the pool refuses that password"), "{error}");
        assert!(error.contains("not long enough") && !error.contains("`short`"), "{error}");
        assert_eq!(lab.users.get("ada").await, Ok(None));
        create(&lab, "ada", SECRET).await.expect("the second try");
    }

    #[tokio::test]
    async fn a_user_who_got_no_password_and_could_not_be_taken_back_is_named_with_what_to_do() {
        let lab = Lab::new();
        lab.users.faults.fail("set_password", 1, UserError::Service(throttled("AdminSetUserPassword")));
        lab.users.faults.fail("delete", 1, UserError::Service(refused("AdminDeleteUser", "AccessDenied")));
        let error = format!("{:#}", create(&lab, "ada", SECRET).await.expect_err("half done"));
        assert!(error.contains("has no password and can't log in") && error.contains("AccessDenied"), "{error}");
        assert!(
            error.contains("lazaret user reset ada --password-stdin") && error.contains("Rate exceeded"),
            "{error}"
        );
        assert!(!lab.users.lets_in("ada", SECRET));
        let again = create(&lab, "ada", SECRET).await.expect_err("he is there").to_string();
        assert!(again.contains("no password of his own") && again.contains("lazaret user reset ada"), "{again}");
    }

    #[tokio::test]
    async fn a_user_who_is_there_keeps_his_password() {
        let lab = Lab::new();
        create(&lab, "ada", SECRET).await.expect("made");
        let error = create(&lab, "ada", "another password").await.expect_err("he is there").to_string();
        assert!(error.contains("choose another name"), "{error}");
        assert!(lab.users.lets_in("ada", SECRET));
        // the answer to a create was lost and the call repeated: what is there is not deleted
        lab.users.faults.lose_answer("create", 3, UserError::Exists);
        create(&lab, "eva", SECRET).await.expect_err("he is there");
        assert!(lab.users.get("eva").await.expect("an answer").is_some());
    }

    #[tokio::test]
    async fn without_a_password_nothing_is_made() {
        let lab = Lab::new();
        assert!(create(&lab, "ada", "\n").await.is_err());
        assert_eq!((lab.users.faults.calls("create"), lab.users.list().await), (0, Ok(Vec::new())));
        let password = Password::new(SECRET.into());
        assert_eq!(lab.users.set_password("ada", &password).await, Err(UserError::NotFound));
    }
}
