//! `lazaret user list`: the users of the verdict API.

use std::borrow::Cow;

use lazaret_aws::users::User;
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::console::Console;
use crate::escape;
use crate::outcome::Outcome;
use crate::user_pool::find;

/// List the users of the verdict API
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If there is no pool, or it can't be asked.
pub async fn run(cloud: &Cloud, args: &ListArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let mut users = find(cloud).await?.list().await?;
    users.sort_by(|one, other| one.name.cmp(&other.name));
    if args.json {
        console.json(&json!({"users": users.iter().map(document).collect::<Vec<_>>()}))?;
    } else if users.is_empty() {
        console.text("There is no user: `lazaret user create NAME --password-stdin` makes one.")?;
    } else {
        console.text(&table(&users))?;
    }
    Ok(Outcome::NothingFound)
}

fn document(user: &User) -> Value {
    json!({"name": user.name, "email": user.email, "enabled": user.enabled, "status": user.status,
        "createdAt": user.created_at})
}

/// Whether he can log in, and why not.
fn state(user: &User) -> Cow<'_, str> {
    match user.status.as_str() {
        _ if !user.enabled => "disabled".into(),
        User::CONFIRMED => "enabled".into(),
        User::FORCE_CHANGE_PASSWORD => "no password".into(),
        other => escape::line(other),
    }
}

fn table(users: &[User]) -> String {
    let rows: Vec<_> = users.iter().map(|user| (escape::line(&user.name), state(user), user)).collect();
    let width = |texts: &mut dyn Iterator<Item = usize>, title: &str| texts.max().unwrap_or_default().max(title.len());
    let names = width(&mut rows.iter().map(|(name, ..)| name.chars().count()), "NAME");
    let states = width(&mut rows.iter().map(|(_, state, _)| state.chars().count()), "STATE");
    let mut lines = vec![format!("{:<names$}  {:<states$}  {:<20}  EMAIL", "NAME", "STATE", "CREATED")];
    lines.extend(rows.into_iter().map(|(name, state, user)| {
        let created = user.created_at.strftime("%Y-%m-%d %H:%M:%SZ");
        let email = escape::line(user.email.as_deref().unwrap_or_default());
        format!("{name:<names$}  {state:<states$}  {created}  {email}").trim_end().to_owned()
    }));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use lazaret_aws::UserPool;
    use lazaret_aws::users::Password;

    use super::*;
    use crate::testing::Lab;

    const HOSTILE: &str = "eva\u{1b}[2J\nroot  enabled";

    async fn list(lab: &Lab, json: bool) -> String {
        run(&lab.cloud(), &ListArgs { json }, &mut lab.console()).await.expect("a list");
        lab.out.take()
    }

    #[tokio::test]
    async fn users_are_listed_with_whether_they_can_log_in() {
        let lab = Lab::new();
        assert!(list(&lab, false).await.contains("lazaret user create NAME"));
        lab.users.create("zoe", None).await.expect("made");
        for name in ["ada", "bob"] {
            lab.users.create(name, Some("a@b.c")).await.expect("made");
            lab.users.set_password(name, &Password::new("long enough".into())).await.expect("set");
        }
        lab.users.disable("bob").await.expect("disabled");
        let text = list(&lab, false).await;
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("NAME  STATE        CREATED") && lines.len() == 4, "{text}");
        assert!(lines[1].starts_with("ada   enabled      2") && lines[1].ends_with("Z  a@b.c"), "{text}");
        assert!(lines[2].starts_with("bob   disabled     "), "{text}");
        assert!(lines[3].starts_with("zoe   no password  ") && lines[3].ends_with('Z'), "{text}");
    }

    #[tokio::test]
    async fn hostile_names_stay_on_their_line_and_are_the_same_in_json() {
        let lab = Lab::new();
        lab.users.create(HOSTILE, Some(HOSTILE)).await.expect("made");
        let text = list(&lab, false).await;
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains('\u{1b}') && text.contains("eva\\u{1b}[2J\\nroot"), "{text}");
        let text = list(&lab, true).await;
        assert!(!text.contains('\u{1b}'), "{text}");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(document["users"][0]["name"], HOSTILE);
        assert_eq!(document["users"][0]["email"], HOSTILE);
        assert_eq!(document["users"][0]["status"], User::FORCE_CHANGE_PASSWORD);
        assert_eq!(document["users"][0]["enabled"], true);
    }
}
