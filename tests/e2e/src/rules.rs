//! The owner's own rules, as a person writes and deploys them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// The file's name, which is in each finding's.
pub const FILE: &str = "own.yar";
/// What the rule `Secret` finds, and calls infected.
pub const SECRET: &[u8] = b"the plans of the lighthouse";
/// What the rule `Draft` finds, and only notes.
pub const DRAFT: &[u8] = b"a draft, not for the press";

/// Writes the rules into `directory`, and returns their version. The second engine must be there: no rules in force would make
/// a test of them worthless, not a test to be left out.
///
/// # Errors
/// If `lazaret-yara` was not built beside this test's program (`make yara`), or does not like the rules.
pub fn write(directory: &Path) -> anyhow::Result<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let rules = format!(
        "rule Secret {{ strings: $text = \"{}\" condition: $text }}\n\
         rule Draft : suspicious {{ strings: $text = \"{}\" condition: $text }}\n",
        text(SECRET),
        text(DRAFT)
    );
    std::fs::create_dir_all(directory)?;
    std::fs::write(directory.join(FILE), rules)?;
    let program = program()?;
    let check = Command::new(&program).arg("--check").arg(directory).output()?;
    let said = String::from_utf8(check.stdout)?;
    ensure!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    let version = said.trim().strip_prefix("2 rules, version ").with_context(|| format!("it said `{said}`"))?;
    Ok(version.to_owned())
}

/// The second engine, where agents and `lazaret` look for it: beside the first.
fn program() -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let programs = test.parent().and_then(Path::parent).context("Cargo's directory")?;
    let program = programs.join("lazaret-yara");
    ensure!(program.is_file(), "there is no {}: `make yara` builds it", program.display());
    Ok(program)
}
