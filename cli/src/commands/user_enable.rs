//! `lazaret user enable`: lets a user in again.

use crate::cloud::Cloud;
use crate::console::Console;
use crate::escape;
use crate::outcome::Outcome;
use crate::user_pool::{failure, find};

/// Let a user in again who was disabled
#[derive(Debug, Clone, clap::Args)]
pub struct EnableArgs {
    /// The user's name
    pub name: String,
}

/// # Errors
/// If there is no such user.
pub async fn run(cloud: &Cloud, args: &EnableArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let pool = find(cloud).await?;
    let of_user = |error| failure(&args.name, error);
    pool.enable(&args.name).await.map_err(of_user)?;
    let name = escape::line(&args.name);
    console.text(&format!("Enabled user `{name}`."))?;
    if pool.get(&args.name).await.map_err(of_user)?.is_some_and(|user| !user.has_password()) {
        console.note(&format!("He has no password: `lazaret user reset {name} --password-stdin` sets one."))?;
    }
    Ok(Outcome::NothingFound)
}
