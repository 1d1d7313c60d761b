//! Archives of every kind within one another: exactly the paths and signatures that are in them, and nothing else.

mod support;

use std::io::Write;

use lazaret_engine_protocol::ScanVerdict;
use support::archives::{self, Zip, ZipMember, gzip, tar, xz, zip, zstd};
use support::{TestEngine, eicar};

const THREAT: &str = "Eicar-Test-Signature";

/// The paths in which EICAR was found, in an order that does not matter.
fn paths(verdict: &ScanVerdict) -> Vec<&str> {
    let ScanVerdict::Infected { detections, omitted: 0 } = verdict else { panic!("not infected: {verdict:?}") };
    assert!(detections.iter().all(|found| found.threat == THREAT && found.engine == "clamav"), "{detections:?}");
    let mut paths: Vec<_> = detections.iter().map(|found| found.member.as_str()).collect();
    paths.sort_unstable();
    paths
}

/// A container of one member, with the name that the member then has; `None` where the format has no names.
type Wrap = (&'static str, fn(&str, &[u8]) -> Vec<u8>, bool);

const WRAPS: &[Wrap] = &[
    ("zip", |name, content| zip(&[("readme.txt", b"hello, reader"), (name, content)]), true),
    ("tar", |name, content| tar(&[("readme.txt", b"hello, reader"), (name, content)]), true),
    ("gz", |_, content| gzip(None, content), false),
    ("bz2", |_, content| archives::bzip2(content), false),
    ("xz", |_, content| xz(content), false),
    ("zst", |_, content| zstd(content), false),
];

#[tokio::test]
async fn every_format_in_every_other_three_deep() {
    let test = TestEngine::start().await;
    let mut count = 0;
    for (outer, wrap_outer, outer_names) in WRAPS {
        for (middle, wrap_middle, middle_names) in WRAPS {
            for (inner, wrap_inner, inner_names) in WRAPS {
                let content = wrap_inner("eicar.com", &eicar());
                let content = wrap_middle(&format!("in.{inner}"), &content);
                let content = wrap_outer(&format!("in.{middle}"), &content);
                let mut expected: Vec<String> = Vec::new();
                for (named, name) in [
                    (outer_names, format!("in.{middle}")),
                    (middle_names, format!("in.{inner}")),
                    (inner_names, "eicar.com".to_owned()),
                ] {
                    let name = if *named { name } else { "(embedded)".to_owned() };
                    // One without a name in another adds nothing for a reader.
                    if name != "(embedded)" || expected.last() != Some(&name) {
                        expected.push(name);
                    }
                }
                let verdict = test.scan(&content).await;
                assert_eq!(paths(&verdict), [expected.join("/")], "{outer} of {middle} of {inner}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 216);
}

#[tokio::test]
async fn clean_archives_of_every_format_three_deep_are_clean() {
    let test = TestEngine::start().await;
    for (outer, wrap_outer, _) in WRAPS {
        for (middle, wrap_middle, _) in WRAPS {
            for (inner, wrap_inner, _) in WRAPS {
                let content = wrap_inner("notes.txt", b"nothing but text, and enough of it to be looked at");
                let content = wrap_outer("outer", &wrap_middle("middle", &content));
                assert_eq!(test.scan(&content).await, ScanVerdict::Clean, "{outer} of {middle} of {inner}");
            }
        }
    }
}

#[tokio::test]
async fn mixed_archives_name_exactly_the_infected_members() {
    let test = TestEngine::start().await;
    let (eicar, clean) = (eicar(), vec![b'x'; 68]);
    let deepest = tar(&[("one/eicar.com", &eicar), ("one/clean.com", &clean), ("two/eicar.com", &eicar)]);
    let middle = zip(&[("a.tar.gz", &gzip(None, &deepest)), ("b.com", &eicar), ("c.com", &clean)]);
    let outer = tar(&[("x/middle.zip", &middle), ("x/eicar.com.xz", &xz(&eicar)), ("clean.zst", &zstd(&clean))]);
    let expected = [
        "x/eicar.com.xz/(embedded)",
        "x/middle.zip/a.tar.gz/(embedded)/one/eicar.com",
        "x/middle.zip/a.tar.gz/(embedded)/two/eicar.com",
        "x/middle.zip/b.com",
    ];
    assert_eq!(paths(&test.scan(&outer).await), expected);
}

#[tokio::test]
async fn a_walk_finds_what_libclamav_cannot_reach() {
    let test = TestEngine::start().await;
    let eicar = eicar();
    let member = || ZipMember::new("dir/eicar.com", archives::DEFLATE, &eicar);
    // Members whose local headers have their sizes in a zip64 record.
    let mut wide = member();
    wide.local.extra =
        [&[1, 0, 16, 0][..], &(eicar.len() as u64).to_le_bytes(), &(wide.data.len() as u64).to_le_bytes()].concat();
    (wide.local.packed, wide.local.unpacked) = (u32::MAX, u32::MAX);
    wide.central = wide.local.clone();
    let whole = Zip::new(vec![member()]).write();
    for (name, content) in [
        ("zip64", Zip::new(vec![wide]).write()),
        ("zstd within zip", Zip::new(vec![ZipMember::new("dir/eicar.com", archives::ZSTD, &eicar)]).write()),
        ("xz within zip", Zip::new(vec![ZipMember::new("dir/eicar.com", archives::XZ, &eicar)]).write()),
        ("lzma within zip", Zip::new(vec![ZipMember::new("dir/eicar.com", archives::LZMA, &eicar)]).write()),
        ("sizes behind the data", Zip::new(vec![member().streamed(true, false)]).write()),
        ("no directory", whole[..archives::find(&whole, b"PK\x01\x02", 0)].to_vec()),
    ] {
        println!("{name}");
        assert_eq!(paths(&test.scan(&content).await), ["dir/eicar.com"], "{name}");
    }
    for (name, method) in [("zstd", archives::ZSTD), ("xz", archives::XZ), ("lzma", archives::LZMA)] {
        let clean = Zip::new(vec![ZipMember::new("notes.txt", method, b"nothing but text, enough of it")]).write();
        assert_eq!(test.scan(&clean).await, ScanVerdict::Clean, "{name} within zip");
    }
}

/// An office document: libclamav enters some of its members twice.
fn document(members: Vec<ZipMember>) -> Vec<u8> {
    let types = ZipMember::new("[Content_Types].xml", archives::STORED, b"<?xml version=\"1.0\"?><Types></Types>");
    let relations = ZipMember::new("_rels/.rels", archives::STORED, b"<?xml version=\"1.0\"?><Relationships/>");
    Zip::new([vec![types, relations], members].concat()).write()
}

#[tokio::test]
async fn a_member_that_libclamav_enters_twice_stands_in_for_no_other() {
    let test = TestEngine::start().await;
    let eicar = eicar();
    // As long as the other; and libclamav, which can't unpack zstd, lists it as a folder.
    let read = ZipMember::new("word/document.xml", archives::STORED, &vec![b'x'; eicar.len()]);
    let unread = ZipMember::new("word/media/", archives::ZSTD, &eicar);
    assert_eq!(paths(&test.scan(&document(vec![read.clone(), unread])).await), ["word/media/"]);
    let copies = vec![read.clone(), ZipMember::new("word/copy.xml", archives::ZSTD, &vec![b'x'; eicar.len()])];
    assert_eq!(test.scan(&document(copies)).await, ScanVerdict::Clean);
    assert_eq!(test.scan(&document(vec![read])).await, ScanVerdict::Clean);
}

#[tokio::test]
async fn hostile_names_arrive_escaped_and_bounded() {
    let test = TestEngine::start().await;
    let eicar = eicar();
    let long = format!("{}/eicar.com", "x".repeat(10_000));
    for (name, shown) in [
        (&b"../../etc/cron.d/job"[..], r"\.\./\.\./etc/cron.d/job"),
        (b"/etc/passwd", r"\/etc/passwd"),
        (b"a\nb\x1b[31m.com", r"a\u{a}b\u{1b}[31m.com"),
        (b"caf\xe9.com", r"caf\xe9.com"),
        (b"a\\b.com", r"a\\b.com"),
        ("exe.\u{202e}fdp".as_bytes(), r"exe.\u{202e}fdp"),
    ] {
        let mut member = ZipMember::new("x", archives::STORED, &eicar);
        member.local.name = name.to_vec();
        member.central.name = name.to_vec();
        assert_eq!(paths(&test.scan(&Zip::new(vec![member]).write()).await), [shown]);
    }
    let verdict = test.scan(&Zip::new(vec![ZipMember::new(&long, archives::STORED, &eicar)]).write()).await;
    let [path] = paths(&verdict)[..] else { panic!("{verdict:?}") };
    assert!(path.len() <= 1_024 && path.starts_with("xxx") && path.contains('…'), "{path}");
}

#[tokio::test]
async fn a_hundred_thousand_members_are_read_within_bounds() {
    let test = TestEngine::start().await;
    let mut writer = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for index in 0..100_000 {
        writer.start_file(format!("{index}"), ::zip::write::SimpleFileOptions::default()).expect("in memory");
        writer.write_all(format!("member {index}").as_bytes()).expect("in memory");
    }
    writer.start_file("last", ::zip::write::SimpleFileOptions::default()).expect("in memory");
    writer.write_all(&eicar()).expect("in memory");
    let content = writer.finish().expect("in memory").into_inner();
    assert_eq!(paths(&test.scan(&content).await), ["last"]);
}

/// Containers that usual tools read to the end, and libclamav does not.
#[tokio::test]
async fn what_libclamav_stops_short_of_is_read_by_a_walk() {
    let test = TestEngine::start().await;
    let eicar = eicar();
    let (head, tail) = eicar.split_at(10);
    let two_streams = [archives::bzip2(head), archives::bzip2(tail)].concat();
    let pax = archives::tar_member("pax", b'x', b"11 size=68\n", |_| {});
    let mut hidden = archives::tar_member("eicar.com", b'0', &eicar, |_| {});
    // The header says 0 bytes, the record before it 68.
    let said = archives::tar_member("eicar.com", b'0', b"", |_| {});
    hidden[..512].copy_from_slice(&said[..512]);
    let pax_size = [pax, hidden, archives::tar_end()].concat();
    let behind = [gzip(None, b"nothing of note, and then some"), zip(&[("eicar.com", &eicar)])].concat();
    for (name, content, path) in [
        ("bzip2 of two streams", two_streams.clone(), "(embedded)"),
        ("the same in a zip", zip(&[("a.bz2", &two_streams)]), "a.bz2/(embedded)"),
        ("a tar whose pax record gives the size", pax_size, "eicar.com"),
        ("a zip behind gzip", behind, "(embedded)/eicar.com"),
    ] {
        println!("{name}");
        assert_eq!(paths(&test.scan(&content).await), [path], "{name}");
    }
}

#[tokio::test]
async fn members_that_look_alike_keep_their_own_names() {
    let test = TestEngine::start().await;
    let (eicar, clean) = (eicar(), vec![b'Y'; 68]);
    // The directory lists them in another order than they lie.
    let members = [("a/x.com", &clean), ("b/x.com", &eicar), ("c/x.com", &clean)];
    let members = members.map(|(name, content)| ZipMember::new(name, archives::STORED, content));
    let sound = Zip::new(members.to_vec()).write();
    let start = archives::find(&sound, b"PK\x01\x02", 0);
    let entry = 46 + "a/x.com".len();
    let reversed: Vec<u8> = sound[start..start + 3 * entry].chunks(entry).rev().flatten().copied().collect();
    let reversed = archives::patched(sound, start, &reversed);
    assert_eq!(paths(&test.scan(&reversed).await), ["b/x.com"]);
    let long = format!("{}eicar.com", "folder/".repeat(30));
    assert_eq!(paths(&test.scan(&tar(&[(&long, &eicar)])).await), [long.as_str()]);
}

#[tokio::test]
async fn a_document_that_libxml_opens_costs_no_worker() {
    let test = TestEngine::start().await;
    let sheet = br#"<?xml version="1.0"?>
<?mso-application progid="Excel.Sheet"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"><Worksheet/></Workbook>"#;
    assert_eq!(test.scan(sheet).await, ScanVerdict::Clean);
    assert_eq!(test.scan(&zip(&[("sheet.xml", sheet)])).await, ScanVerdict::Clean);
}
