//! What an engine on this machine may do without: the arguments that `scan` and `definitions update` share.

// No doc comment here: clap would take it for the help of the command that these arguments are part of.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct JailArgs {
    /// Steps of the engine's jail to do without where the kernel lacks them, see docs/sandbox.md
    #[arg(
        long,
        env = "LAZARET_JAIL_ALLOW_MISSING",
        value_name = "STEP",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub jail_allow_missing: Vec<String>,
}

impl JailArgs {
    /// The names of steps; an empty variable names none.
    pub fn allow_missing(&self) -> Vec<String> {
        self.jail_allow_missing.iter().map(|step| step.trim().to_owned()).filter(|step| !step.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        jail: JailArgs,
    }

    #[test]
    fn steps_are_named_with_commas_or_one_by_one_and_nothing_names_none() {
        let steps =
            |line: &[&str]| Line::try_parse_from(["x"].iter().chain(line)).expect("a line").jail.allow_missing();
        assert_eq!(steps(&["--jail-allow-missing", "landlock, seccomp"]), ["landlock", "seccomp"]);
        let twice = ["--jail-allow-missing", "landlock", "--jail-allow-missing", "identity"];
        assert_eq!(steps(&twice), ["landlock", "identity"]);
        assert_eq!(steps(&["--jail-allow-missing", ""]), Vec::<String>::new());
    }
}
