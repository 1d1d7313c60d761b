//! The owner's rules: read from a directory, compiled to machine code in the host, before any worker is forked.
//!
//! All or nothing. A rule that is left out would make files look clean that its author wanted found, so a single bad rule, or a
//! directory in which rules may hide, ends the program with a text that says where.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use yara_x::errors::CompileError;
use yara_x::warnings::Warning;
use yara_x::{Compiler, Rules, SourceCode, linters};

use crate::severity::{OWN_METADATA, VALUES};

/// Files with other names are for people.
const EXTENSIONS: [&str; 2] = ["yar", "yara"];

/// Compiled rules, and what is to be said about them.
#[derive(Debug)]
pub struct RuleSet {
    pub rules: Rules,
    /// Rules that can be reported: all but the private ones.
    pub count: u64,
    /// Differs where the rules differ: a digest over names and contents of their files.
    pub fingerprint: String,
    /// What the compiler warns of, a line each.
    pub warnings: Vec<String>,
}

/// Why there are no rules to scan with.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    #[error("cannot read the rules in `{}`: {source}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` is a directory: all rules lie in one, without others in it", .0.display())]
    Nested(PathBuf),
    #[error("the directory `{}` holds no rules that could be reported", .0.display())]
    Empty(PathBuf),
    /// The compiler's errors, a line each; at least one.
    #[error("{}{}", headline(.0.len()), .0.first().map_or("", String::as_str))]
    Invalid(Vec<String>),
}

fn headline(errors: usize) -> String {
    if errors == 1 {
        "an error in the rules: ".to_owned()
    } else {
        format!("{errors} errors in the rules, the first: ")
    }
}

/// As [`load`], and tells warnings and errors on standard error, a line each.
///
/// # Errors
/// The first error, in one line.
pub fn load_aloud(directory: &Path) -> Result<RuleSet, String> {
    let result = load(directory);
    match &result {
        Ok(loaded) => loaded.warnings.iter().for_each(|line| eprintln!("warning: {line}")),
        Err(RulesError::Invalid(errors)) => errors.iter().for_each(|line| eprintln!("error: {line}")),
        Err(_) => {}
    }
    result.map_err(|error| error.to_string())
}

/// A file of rules.
struct Source {
    name: String,
    /// The file's name without its ending; the first part of its rules' names.
    namespace: String,
    text: Vec<u8>,
}

/// Reads and compiles all rules in the directory; each file is a namespace, by its name without the ending.
///
/// # Errors
/// If anything cannot be read or compiled, or if there is no rule.
pub fn load(directory: &Path) -> Result<RuleSet, RulesError> {
    let sources = read(directory)?;
    let mut compiler = Compiler::new();
    // What is included would lie elsewhere, and not be part of the fingerprint.
    compiler.enable_includes(false);
    compiler.add_linter(
        linters::metadata(OWN_METADATA)
            .validator(
                |metadata| VALUES.contains(&metadata.value.to_string().trim_matches('"')),
                format!("this is one of {}", VALUES.join(", ")),
            )
            .error(true),
    );
    for source in &sources {
        compiler.new_namespace(&source.namespace);
        // Its error is the first of those in `errors`, which are looked at below.
        let _ = compiler.add_source(SourceCode::from(source.text.as_slice()).with_origin(&source.name));
    }
    if !compiler.errors().is_empty() {
        return Err(RulesError::Invalid(compiler.errors().iter().map(|error| tell_error(error, &sources)).collect()));
    }
    let rules = compiler.build();
    let count = rules.iter().filter(|rule| !rule.is_private()).count();
    if count == 0 {
        return Err(RulesError::Empty(directory.to_owned()));
    }
    let warnings = rules.warnings().iter().map(|warning| tell_warning(warning, &sources)).collect();
    Ok(RuleSet { rules, count: count as u64, fingerprint: fingerprint(&sources), warnings })
}

/// The files of rules in the directory, by name.
fn read(directory: &Path) -> Result<Vec<Source>, RulesError> {
    let unreadable = |path: &Path, source| RulesError::Unreadable { path: path.to_owned(), source };
    let mut sources = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| unreadable(directory, error))? {
        let path = entry.map_err(|error| unreadable(directory, error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue; // `.git`, and the directories by which Kubernetes replaces mounted files at once
        }
        // Links are followed: mounted files are links.
        if fs::metadata(&path).map_err(|error| unreadable(&path, error))?.is_dir() {
            return Err(RulesError::Nested(path));
        }
        let extension = path.extension().unwrap_or_default();
        if EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)) {
            let text = fs::read(&path).map_err(|error| unreadable(&path, error))?;
            let namespace = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            sources.push(Source { name, namespace, text });
        }
    }
    sources.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(sources)
}

fn fingerprint(sources: &[Source]) -> String {
    let mut digest = Sha256::new();
    for source in sources {
        digest.update(&source.name);
        digest.update([0]);
        digest.update(Sha256::digest(&source.text));
    }
    digest.finalize()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tell_error(error: &CompileError, sources: &[Source]) -> String {
    let place = error.labels().next().map(|label| line(label.origin(), label.span().start(), sources));
    tell(place, error.title(), error.labels().next().map(|label| label.text().to_owned()))
}

fn tell_warning(warning: &Warning, sources: &[Source]) -> String {
    let place = warning.labels().next().map(|label| line(label.origin(), label.span().start(), sources));
    tell(place, warning.title(), warning.labels().next().map(|label| label.text().to_owned()))
}

/// `file.yar:12`, for the byte at `offset`.
fn line(origin: Option<&str>, offset: usize, sources: &[Source]) -> String {
    let name = origin.unwrap_or_default();
    let text = sources.iter().find(|source| source.name == name).map_or(&[][..], |source| &source.text);
    let before = text.iter().take(offset).filter(|byte| **byte == b'\n').count();
    format!("{name}:{}", before + 1)
}

/// One line, whatever the rules' author put into it.
fn tell(place: Option<String>, title: &str, label: Option<String>) -> String {
    let mut text = place.map_or_else(String::new, |place| format!("{place}: "));
    text.push_str(title);
    if let Some(label) = label.filter(|label| !label.is_empty() && label != title) {
        text.push_str(&format!(" ({label})"));
    }
    text.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn directory(files: &[(&str, &str)]) -> TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            fs::write(directory.path().join(name), text).expect("written");
        }
        directory
    }

    fn refused(files: &[(&str, &str)]) -> String {
        load(directory(files).path()).expect_err("no rules to scan with").to_string()
    }

    const RULE: &str = "rule found { strings: $a = \"text\" condition: $a }";

    #[test]
    fn each_file_is_a_namespace() {
        let directory =
            directory(&[("one.yar", RULE), ("two.YARA", RULE), ("README.md", "no rule"), (".hidden.yar", "no rule")]);
        let loaded = load(directory.path()).expect("two rules");
        let names: Vec<_> = loaded.rules.iter().map(|rule| (rule.namespace(), rule.identifier())).collect();
        assert_eq!(names, [("one", "found"), ("two", "found")]);
        assert_eq!((loaded.count, loaded.fingerprint.len()), (2, 12));
        assert_eq!(loaded.warnings, Vec::<String>::new());
    }

    #[test]
    fn the_example_for_owners_is_sound() {
        let text = include_str!("../README.md");
        let example = text.split("```yara").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
        let loaded = load(directory(&[("installers.yar", example)]).path()).expect("a rule");
        assert_eq!((loaded.count, loaded.warnings), (1, Vec::new()));
    }

    #[test]
    fn other_rules_have_another_fingerprint() {
        let fingerprint = |name, text: &str| load(directory(&[(name, text)]).path()).expect("a rule").fingerprint;
        let one = fingerprint("one.yar", RULE);
        assert_eq!(one, fingerprint("one.yar", RULE));
        assert_ne!(one, fingerprint("two.yar", RULE));
        assert_ne!(one, fingerprint("one.yar", &format!("{RULE} ")));
    }

    #[test]
    fn every_error_names_its_file_and_line() {
        let broken = "rule broken {\n  condition:\n    nonsense\n}";
        let message = refused(&[("a.yar", RULE), ("b.yar", broken)]);
        assert_eq!(
            message,
            "an error in the rules: b.yar:3: unknown identifier `nonsense` (this identifier has not been declared)"
        );
        let both = refused(&[("a.yar", "rule {"), ("b.yar", broken)]);
        assert!(both.starts_with("2 errors in the rules, the first: a.yar:1: syntax error"), "{both}");
        assert!(!both.contains('\n'), "{both}");
        let bytes = tempfile::tempdir().expect("a directory");
        fs::write(bytes.path().join("c.yar"), b"// \xff\n").expect("written");
        let bytes = load(bytes.path()).expect_err("no UTF-8").to_string();
        assert!(bytes.contains("c.yar:1: invalid UTF-8"), "{bytes}");
    }

    #[test]
    fn a_misspelt_meaning_is_an_error() {
        let message = refused(&[("a.yar", "rule r {\n meta:\n  lazaret = \"suspicous\"\n condition: true }")]);
        assert!(message.contains("a.yar:3: ") && message.contains("infected, suspicious, note"), "{message}");
    }

    #[test]
    fn includes_and_modules_that_are_not_here_are_errors() {
        let include = refused(&[("a.yar", "include \"/etc/passwd\"")]);
        assert!(include.contains("a.yar:1: include statements not allowed"), "{include}");
        let module = refused(&[("a.yar", "\nimport \"vt\"")]);
        assert!(module.contains("a.yar:2: unknown module `vt`"), "{module}");
    }

    #[test]
    fn no_rules_are_an_error_that_names_the_directory() {
        for files in [&[][..], &[("README", "none")], &[("private.yar", "private rule r { condition: true }")]] {
            assert!(refused(files).contains("holds no rules"), "{files:?}");
        }
        assert!(load(Path::new("/nowhere")).expect_err("missing").to_string().contains("`/nowhere`"));
        let nested = directory(&[("a.yar", RULE)]);
        fs::create_dir(nested.path().join("more")).expect("made");
        assert!(matches!(load(nested.path()), Err(RulesError::Nested(_))));
    }

    #[test]
    fn slow_patterns_are_warned_of() {
        let slow = directory(&[("a.yar", "rule r { strings: $a = { 00 [1-10] 01 } condition: $a }")]);
        let warnings = load(slow.path()).expect("a rule").warnings;
        assert!(warnings[0].starts_with("a.yar:1: "), "{warnings:?}");
    }
}
