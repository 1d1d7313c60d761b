//! The words on the wire. Existing clients read them by name: `dateScanned`, `detectedInfections`, `errorMessage`, `result`.

use jiff::Timestamp;
use lazaret_model::{Finding, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::schema::{Schema, words};

/// What was found out about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScanResult {
    /// Scanned to its end, nothing found.
    Clean,
    Infected,
    /// Infected, and its owner allows what was found.
    InfectedAllowed,
    /// It could not be read to its end: encrypted, damaged, beyond a limit. It may hold anything.
    Unscannable,
    /// The scan went wrong. It may hold anything.
    Error,
}

impl Schema for ScanResult {
    fn schema() -> Value {
        json!({"type": "string", "enum": Self::ALL})
    }

    const NAME: Option<&'static str> = Some("ScanResult");

    fn words(into: &mut Map<String, Value>) {
        into.insert("ScanResult".to_owned(), Self::schema());
    }
}

words! {
    /// One detection.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Infection {
        /// The path inside an archive; the upload's own name for the file itself. Where a request has several files, the path stands
        /// after the upload's name and a slash.
        pub file: String,
        /// The signature's name.
        pub infection: String,
    }

    /// The verdict on one file of a request that had several.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct FileAnswer {
        /// The upload's name.
        pub file: String,
        pub result: ScanResult,
        pub error_message: Option<String>,
    }

    /// The version of an object that was scanned.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ScannedObject {
        /// Absent where the bucket has no versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub version_id: Option<String>,
        pub e_tag: String,
    }

    /// A file that was stored because it is clean.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Upload {
        /// The upload's name.
        pub file: String,
        pub container: String,
        pub object_path: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub version_id: Option<String>,
    }

    /// The answer to a scan.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ScanAnswer {
        /// UTC, with seven digits of the second.
        pub date_scanned: String,
        /// All of them, not the first alone.
        pub detected_infections: Vec<Infection>,
        /// Why a file is `Unscannable` or an `Error`.
        pub error_message: Option<String>,
        /// Of several files, the worst.
        pub result: ScanResult,
        /// Names this scan in the logs.
        pub reference_id: String,
        /// Each file's own verdict, where there are several.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub files: Vec<FileAnswer>,
        /// What was scanned, if it is an object that was there already.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub object: Option<ScannedObject>,
        /// What was stored, if that was asked for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub uploads: Vec<Upload>,
    }

    /// A scan that goes on: ask `/api/Scan/JobStatus` for its answer.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Accepted {
        pub reference_id: String,
        /// Always null: there is no verdict yet.
        pub result: Option<ScanResult>,
    }

    /// A request that got no verdict. It has the fields of a [`ScanAnswer`] that clients look at, and never calls a file clean.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ProblemAnswer {
        /// Always empty.
        pub detected_infections: Vec<Infection>,
        pub error_message: String,
        /// Always `Error`.
        pub result: ScanResult,
    }
}

/// A file and what is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// As its sender calls it. Hostile.
    pub name: String,
    pub verdict: Verdict,
}

impl ScanResult {
    const ALL: [Self; 5] = [Self::Clean, Self::Infected, Self::InfectedAllowed, Self::Unscannable, Self::Error];
}

impl Accepted {
    pub fn new(reference: Uuid) -> Self {
        Self { reference_id: reference.to_string(), result: None }
    }
}

impl ScanAnswer {
    /// `files` are those of one request: at least one.
    pub fn of(files: &[Judged], reference: Uuid, at: Timestamp) -> Self {
        let several = files.len() > 1;
        let worst = files.iter().min_by_key(|file| rank(result(&file.verdict)));
        let mut infections: Vec<Infection> = Vec::new();
        for Judged { name, verdict } in files {
            infections.extend(verdict.findings().iter().map(|finding| infection(name, finding, several)));
        }
        let messages: Vec<String> = files.iter().filter_map(|file| told(file, several)).collect();
        let answers = files.iter().map(|file| FileAnswer {
            file: file.name.clone(),
            result: result(&file.verdict),
            error_message: message(&file.verdict),
        });
        Self {
            date_scanned: date(at),
            detected_infections: infections,
            error_message: (!messages.is_empty()).then(|| messages.join("; ")),
            // of no file at all nothing was found out
            result: worst.map_or(ScanResult::Error, |file| result(&file.verdict)),
            reference_id: reference.to_string(),
            files: if several { answers.collect() } else { Vec::new() },
            object: None,
            uploads: Vec::new(),
        }
    }
}

/// `2021-07-02T07:04:18.8896831Z`: existing clients parse seven digits, as .NET writes them.
pub fn date(at: Timestamp) -> String {
    format!("{at:.7}")
}

/// Only a verdict of `Clean` is one.
fn result(verdict: &Verdict) -> ScanResult {
    match verdict {
        Verdict::Clean => ScanResult::Clean,
        Verdict::Infected { .. } => ScanResult::Infected,
        Verdict::InfectedAllowed { .. } => ScanResult::InfectedAllowed,
        Verdict::Unscannable { .. } | Verdict::Skipped { .. } => ScanResult::Unscannable,
        Verdict::Error { .. } | Verdict::Gone { .. } => ScanResult::Error,
    }
}

/// The lowest is told of several: as the engines' verdicts are merged.
const fn rank(result: ScanResult) -> u8 {
    match result {
        ScanResult::Infected => 0,
        ScanResult::Error => 1,
        ScanResult::Unscannable => 2,
        ScanResult::InfectedAllowed => 3,
        ScanResult::Clean => 4,
    }
}

fn infection(name: &str, finding: &Finding, several: bool) -> Infection {
    let file = match (finding.member.as_str(), several) {
        ("", _) => name.to_owned(),
        (member, false) => member.to_owned(),
        (member, true) => format!("{name}/{member}"),
    };
    Infection { file, infection: finding.threat.clone() }
}

fn message(verdict: &Verdict) -> Option<String> {
    let reason = verdict.reason()?;
    let detail = verdict.detail();
    Some(if detail.is_empty() { reason.to_owned() } else { format!("{reason}: {detail}") })
}

fn told(file: &Judged, several: bool) -> Option<String> {
    let message = message(&file.verdict)?;
    Some(if several { format!("{}: {message}", file.name) } else { message })
}

#[cfg(test)]
mod tests {
    use lazaret_model::verdict::{ErrorReason, SkippedReason, UnscannableReason};

    use super::*;

    fn at() -> Timestamp {
        "2021-07-02T07:04:18.8896831Z".parse().expect("a time")
    }

    fn judged(name: &str, verdict: Verdict) -> Judged {
        Judged { name: name.into(), verdict }
    }

    fn infected(members: &[&str]) -> Verdict {
        let finding =
            |member: &&str| Finding { member: (*member).into(), threat: "Eicar".into(), engine: "clamav".into() };
        Verdict::Infected { findings: members.iter().map(finding).collect() }
    }

    fn encrypted() -> Verdict {
        Verdict::Unscannable { reason: UnscannableReason::Encrypted, detail: "a.txt".into() }
    }

    #[test]
    fn one_file_is_answered_to_the_letter() {
        let answer = |verdict| {
            serde_json::to_string(&ScanAnswer::of(&[judged("my_file", verdict)], Uuid::nil(), at())).expect("JSON")
        };
        let expected = concat!(
            r#"{"dateScanned":"2021-07-02T07:04:18.8896831Z","detectedInfections":[{"file":"DemoFiles/a.pdf","infection":"Eicar"},"#,
            r#"{"file":"my_file","infection":"Eicar"}],"errorMessage":null,"result":"Infected","#,
            r#""referenceId":"00000000-0000-0000-0000-000000000000"}"#
        );
        assert_eq!(answer(infected(&["DemoFiles/a.pdf", ""])), expected);
        let clean = concat!(
            r#"{"dateScanned":"2021-07-02T07:04:18.8896831Z","detectedInfections":[],"errorMessage":null,"result":"Clean","#,
            r#""referenceId":"00000000-0000-0000-0000-000000000000"}"#
        );
        assert_eq!(answer(Verdict::Clean), clean);
    }

    #[test]
    fn whole_seconds_have_seven_digits_too() {
        assert_eq!(date(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.0000000Z");
    }

    #[test]
    fn of_several_files_the_worst_is_told_and_every_infection_names_its_file() {
        let files = [judged("a", Verdict::Clean), judged("b.zip", infected(&["x/y", ""])), judged("c", encrypted())];
        let answer = serde_json::to_value(ScanAnswer::of(&files, Uuid::nil(), at())).expect("JSON");
        assert_eq!(answer["result"], "Infected");
        let expected = json!([{"file": "b.zip/x/y", "infection": "Eicar"}, {"file": "b.zip", "infection": "Eicar"}]);
        assert_eq!(answer["detectedInfections"], expected);
        assert_eq!(answer["errorMessage"], "c: encrypted: a.txt");
        assert_eq!(answer["files"][0], json!({"file": "a", "result": "Clean", "errorMessage": null}));
        assert_eq!(answer["files"][2]["result"], "Unscannable");
    }

    #[test]
    fn only_clean_is_clean() {
        let error = Verdict::Error { reason: ErrorReason::EngineCrashed, detail: String::new() };
        let others = [
            (infected(&[""]), ScanResult::Infected),
            (error, ScanResult::Error),
            (encrypted(), ScanResult::Unscannable),
            (Verdict::Skipped { reason: SkippedReason::Archived }, ScanResult::Unscannable),
            (Verdict::Gone { reason: lazaret_model::verdict::GoneReason::Deleted }, ScanResult::Error),
            (Verdict::InfectedAllowed { findings: Vec::new() }, ScanResult::InfectedAllowed),
        ];
        for (verdict, expected) in others {
            for files in [
                vec![judged("f", verdict.clone())],
                vec![judged("f", verdict.clone()), judged("g", Verdict::Clean)],
                vec![judged("g", Verdict::Clean), judged("f", verdict.clone())],
            ] {
                assert_eq!(ScanAnswer::of(&files, Uuid::nil(), at()).result, expected);
            }
        }
        assert_eq!(ScanAnswer::of(&[], Uuid::nil(), at()).result, ScanResult::Error);
    }
}
