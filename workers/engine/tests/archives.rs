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
