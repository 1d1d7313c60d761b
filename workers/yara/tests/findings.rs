//! What the owner's rules find, and what it means: the real program, asked by the real client.

mod support;

use lazaret_engine_protocol::{Content, FailureReason, ScanVerdict};
use support::{TestEngine, bundle, eicar, finding, infected};

/// EICAR's text is put together by the regular expression, so that this file is none.
const RULES: &str = r#"
    rule test_file { strings: $text = /\$EICAR-STANDARD-ANTI[A-Z]{5}-TEST-FILE!/ condition: $text }
    rule greeting : suspicious { strings: $text = "Dear customer" condition: $text }
    rule invoice { meta: severity = "note" strings: $text = "invoice" nocase condition: $text }
    private rule unseen { strings: $text = "unseen" condition: $text }
    rule seen { condition: unseen and filesize < 100 }
    rule empty { condition: filesize == 0 }
"#;

#[tokio::test]
async fn says_what_it_loaded() {
    let test = TestEngine::start(RULES).await;
    let info = test.engine.info();
    assert_eq!((info.signatures, info.workers), (5, 2), "private rules are no signatures");
    assert!(info.engine_version.starts_with("YARA-X 1."), "{}", info.engine_version);
    assert_eq!((info.definitions_version.len(), info.definitions_built_seconds), (12, None));
    assert_eq!(info.jail_missing, Vec::<String>::new());
}

#[tokio::test]
async fn finds_in_a_file_what_a_rule_names() {
    let test = TestEngine::start(RULES).await;
    let examined = test.scan(&eicar()).await;
    assert_eq!(examined.verdict, infected([finding("", "test_file")]));
    assert!(examined.notes.is_empty() && examined.members.is_none(), "{examined:?}");
    assert_eq!(test.scan(b"nothing but text").await.verdict, ScanVerdict::Clean);
    assert_eq!(test.scan(b"").await.verdict, ScanVerdict::Clean, "rules are not asked about nothing");
}

#[tokio::test]
async fn a_note_never_makes_a_file_infected() {
    let test = TestEngine::start(RULES).await;
    let examined = test.scan(b"Dear customer, your Invoice is attached").await;
    assert_eq!(examined.verdict, ScanVerdict::Clean);
    assert_eq!(examined.notes, [finding("", "greeting"), finding("", "invoice")]);
    let both = test.scan(&[b"Dear customer: ".as_slice(), &eicar()].concat()).await;
    assert_eq!(both.verdict, infected([finding("", "test_file")]));
    assert_eq!(both.notes, [finding("", "greeting")]);
}

#[tokio::test]
async fn a_private_rule_is_used_but_not_reported() {
    let test = TestEngine::start(RULES).await;
    assert_eq!(test.scan(b"unseen").await.verdict, infected([finding("", "seen")]));
    assert_eq!(test.scan(&[b"unseen".as_slice(), &[0; 200]].concat()).await.verdict, ScanVerdict::Clean);
}

#[tokio::test]
async fn finds_in_members_under_their_paths() {
    let test = TestEngine::start(RULES).await;
    let eicar = eicar();
    let members: &[(&str, &[u8])] = &[
        ("a.zip/eicar.com", &eicar),
        ("a.zip/letter.txt", b"Dear customer"),
        ("sound.txt", b"nothing"),
        ("eicar.com", &eicar),
        ("eicar.com", &eicar),
    ];
    let examined = test.scan_bundle(members).await;
    assert_eq!(
        examined.verdict,
        infected([finding("a.zip/eicar.com", "test_file"), finding("eicar.com", "test_file")])
    );
    assert_eq!(examined.notes, [finding("a.zip/letter.txt", "greeting")]);
    let hostile = test.scan_bundle(&[("a\n\u{1b}[31m\u{0}", &eicar)]).await;
    assert_eq!(hostile.verdict, infected([finding("a\u{fffd}\u{fffd}[31m\u{fffd}", "test_file")]));
    // Each member is a file of its own: neither sizes nor matches reach over to the next.
    let split = eicar.split_at(30);
    let halves = test.scan_bundle(&[("one", split.0), ("two", split.1)]).await;
    assert_eq!(halves.verdict, ScanVerdict::Clean);
    assert_eq!(test.scan_bundle(&[("none", b"")]).await.verdict, ScanVerdict::Clean);
    assert_eq!(test.scan_bundle(&[]).await.verdict, ScanVerdict::Clean);
}

#[tokio::test]
async fn a_damaged_bundle_is_never_clean() {
    let test = TestEngine::start(RULES).await;
    let sound = bundle(&[("one", b"text"), ("two", b"text")]);
    for length in [0, 4, sound.len() - 1] {
        let examined = test.examine(&sound[..length], Content::Bundle).await;
        let ScanVerdict::Failed { reason, detail } = examined.verdict else { panic!("{length}: {examined:?}") };
        assert_eq!(reason, FailureReason::EngineFailed, "{detail}");
    }
    let found = bundle(&[("one", &eicar()), ("two", b"text")]);
    let examined = test.examine(&found[..found.len() - 1], Content::Bundle).await;
    assert_eq!(examined.verdict, infected([finding("one", "test_file")]), "what was found stays found");
}

#[tokio::test]
async fn rules_may_look_into_programs() {
    let rules = r#"
        import "elf" import "pe" import "macho" import "dotnet" import "lnk" import "dex" import "crx" import "zip"
        import "math" import "hash" import "string" import "time" import "console"
        rule program {
            condition:
                elf.type == elf.ET_DYN and for any section in elf.sections : (section.name matches /^\.tex[t]$/)
                and math.entropy(0, filesize) > 1.0 and time.now() > 0 and console.log("not to be seen")
                and string.length(hash.sha256(0, filesize)) == 64
                and not pe.is_pe and not dotnet.is_dotnet and not lnk.is_lnk
        }
    "#;
    let test = TestEngine::start(rules).await;
    let program = std::fs::read("/bin/true").expect("a program");
    assert_eq!(test.scan(&program).await.verdict, infected([finding("", "program")]));
    assert_eq!(test.scan(b"MZ, but no program").await.verdict, ScanVerdict::Clean);
}

#[tokio::test]
async fn what_a_reply_cannot_carry_is_counted() {
    let test = TestEngine::start(RULES).await;
    let eicar = eicar();
    let names: Vec<String> = (0..1_500).map(|number| format!("member-{number:04}")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), eicar.as_slice())).collect();
    let ScanVerdict::Infected { detections, omitted } = test.scan_bundle(&members).await.verdict else {
        panic!("all are infected")
    };
    assert_eq!(detections.len() as u64 + omitted, 1_500);
    assert_eq!(detections[0], finding("member-0000", "test_file"));
}
