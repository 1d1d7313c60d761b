//! The user pool of the verdict API, and what of it goes through a person's hands.

use std::io::{self, IsTerminal, Read};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use lazaret_aws::UserPool;
use lazaret_aws::users::{Password, UserError};

use crate::cloud::Cloud;
use crate::deployment::USER_POOL;

/// What Cognito takes at most.
const PASSWORD_CHARACTERS_MAX: usize = 256;

/// The pool that was named, else the one of the API's own name.
///
/// # Errors
/// If there is none, or more than one.
pub async fn find(cloud: &Cloud) -> anyhow::Result<Arc<dyn UserPool>> {
    if let Some(id) = &cloud.user_pool_id {
        ensure!(
            id.split_once('_').is_some_and(|(region, name)| !region.is_empty() && !name.is_empty()),
            "`{id}` is not the id of a user pool (REGION_NAME, as eu-central-1_AbCdEfGhI)"
        );
        return Ok(cloud.user_pools.at(id));
    }
    let ids = cloud.user_pools.ids(USER_POOL).await;
    let ids = ids.with_context(|| {
        format!("looking for the user pool `{USER_POOL}` (are AWS_REGION, AWS_PROFILE and the credentials right?)")
    })?;
    match ids.as_slice() {
        [id] => Ok(cloud.user_pools.at(id)),
        [] => bail!(
            "no user pool `{USER_POOL}` in this account and region: deploy the stack `LazaretApi`, choose another AWS_REGION or \
             AWS_PROFILE, or set LAZARET_USER_POOL_ID"
        ),
        several => bail!(
            "there are {} user pools `{USER_POOL}` in this account and region ({}): say which with --user-pool-id",
            several.len(),
            several.join(", ")
        ),
    }
}

/// What went wrong with one user, and what to do.
pub fn failure(name: &str, error: UserError) -> anyhow::Error {
    match error {
        UserError::NotFound => anyhow::anyhow!("there is no user `{name}`: `lazaret user list` shows all"),
        UserError::PasswordRefused(why) => anyhow::anyhow!("the pool refuses that password: {why}"),
        UserError::BadInput(why) => anyhow::anyhow!("user `{name}`: {why}"),
        other => anyhow::Error::new(other).context(format!("user `{name}`")),
    }
}

/// The process's own input for a password: not a terminal, which would show it and keep it on the screen.
///
/// # Errors
/// If it is one.
pub fn standard_input() -> anyhow::Result<impl Read> {
    ensure!(
        !io::stdin().is_terminal(),
        "standard input is a terminal, which would show the password: pipe it in, as from `read -rs P; printf %s \"$P\" |` or a file"
    );
    Ok(io::stdin())
}

/// The password on `input`: its one line, with or without the line's end.
///
/// # Errors
/// If that can't be one. Nothing of it is quoted.
pub fn password(input: impl Read) -> anyhow::Result<Password> {
    const WHERE: &str = "the password on standard input";
    let longest = PASSWORD_CHARACTERS_MAX * 4 + "\r\n".len();
    let mut bytes = Vec::new();
    input.take(longest as u64 + 1).read_to_end(&mut bytes).with_context(|| format!("reading {WHERE}"))?;
    let too_long = || format!("{WHERE} is longer than {PASSWORD_CHARACTERS_MAX} characters");
    ensure!(bytes.len() <= longest, too_long());
    let Ok(text) = String::from_utf8(bytes) else { bail!("{WHERE} is not UTF-8") };
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    ensure!(!line.is_empty(), "there is no password on standard input");
    ensure!(!line.contains(char::is_control), "{WHERE} has more than one line, or a control character in it");
    ensure!(line.chars().count() <= PASSWORD_CHARACTERS_MAX, too_long());
    Ok(Password::new(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Lab;

    #[test]
    fn a_password_is_one_line_and_nothing_of_a_bad_one_is_quoted() {
        for (input, expected) in [
            ("secret word", "secret word"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            (" s \n", " s "),
            ("ü🦠", "ü🦠"),
        ] {
            assert_eq!(password(input.as_bytes()).expect(input).expose(), expected);
        }
        let (long, longest) = ("x".repeat(257), "🦠".repeat(256) + "\r\n");
        assert_eq!(password(longest.as_bytes()).expect("256 characters").expose().chars().count(), 256);
        let endless = io::repeat(b'x');
        let inputs: [(Box<dyn Read>, &str); 6] = [
            (Box::new(&b""[..]), "no password"),
            (Box::new(&b"\n"[..]), "no password"),
            (Box::new(&b"two\nlines\n"[..]), "more than one line"),
            (Box::new(&b"\xff\xfe"[..]), "UTF-8"),
            (Box::new(long.as_bytes()), "longer than 256"),
            (Box::new(endless), "longer than 256"),
        ];
        for (input, expected) in inputs {
            let error = format!("{:#}", password(input).expect_err(expected));
            assert!(error.contains(expected) && !error.contains("two") && !error.contains("xx"), "{error}");
        }
        assert!(!format!("{:?}", Password::new("secret".into())).contains("secret"));
    }

    #[tokio::test]
    async fn the_pool_is_the_one_that_was_named_else_the_only_one_of_the_name() {
        let lab = Lab::new();
        let why = async |cloud: &Cloud| find(cloud).await.err().expect("no pool").to_string();
        assert!(find(&lab.cloud()).await.is_ok());
        lab.user_pools.create("eu-test-1_Second", USER_POOL);
        let text = why(&lab.cloud()).await;
        assert!(text.contains("eu-test-1_Pool, eu-test-1_Second") && text.contains("--user-pool-id"), "{text}");
        let named = Cloud { user_pool_id: Some("eu-test-1_Second".into()), ..lab.cloud() };
        assert!(find(&named).await.is_ok());
        for bad in ["pool", "_x", "eu-test-1_"] {
            let text = why(&Cloud { user_pool_id: Some(bad.into()), ..lab.cloud() }).await;
            assert!(text.starts_with(&format!("`{bad}` is not the id of a user pool")), "{text}");
        }
        let none = Cloud { user_pools: Arc::new(lazaret_aws::fake::FakeUserPools::new()), ..lab.cloud() };
        let text = why(&none).await;
        assert!(text.contains("LazaretApi") && text.contains("LAZARET_USER_POOL_ID"), "{text}");
    }
}
