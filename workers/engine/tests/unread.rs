//! What was cut, damaged, encrypted, too large or a bomb is never clean: each with the reason that it must have.

mod support;

use std::fs;
use std::time::{Duration, Instant};

use lazaret_engine_protocol::{Limits, ScanVerdict, UnscannableReason};
use support::archives::{
    self, BZIP2, DEFLATE, STORED, XZ, ZSTD, Zip, ZipMember, find, flipped, gzip, patched, tar, tar_end, tar_member, xz,
    zip, zstd,
};
use support::{TEST_FILES, TestEngine, encrypted_zip};

use UnscannableReason::{Encrypted, Incomplete, LimitsExceeded, Unsupported};

/// Text that neither packs away nor looks like anything: 100 KB, the same each time.
fn text() -> Vec<u8> {
    let mut state = 0x1234_5678_u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"abcdefghijklmnopqrstuvwxyz     \n"[(state >> 27) as usize]
    };
    (0..100_000).map(|_| letter()).collect()
}

fn half(content: &[u8]) -> Vec<u8> {
    content[..content.len() / 2].to_vec()
}

fn cut(content: &[u8], bytes: usize) -> Vec<u8> {
    content[..content.len() - bytes].to_vec()
}

fn one(change: impl FnOnce(&mut ZipMember)) -> Vec<u8> {
    let mut member = ZipMember::new("notes.txt", DEFLATE, &text());
    change(&mut member);
    Zip::new(vec![ZipMember::new("first.txt", STORED, &text()), member]).write()
}

fn zeros_in_zips(depth: u32, copies: usize, bytes: usize) -> Vec<u8> {
    let mut content = zip(&[("zeros", &vec![0; bytes])]);
    for _ in 0..depth {
        let names: Vec<String> = (0..copies).map(|index| format!("{index}.zip")).collect();
        let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), content.as_slice())).collect();
        content = zip(&members);
    }
    content
}

type Case = (&'static str, Vec<u8>, UnscannableReason);

fn truncated() -> Vec<Case> {
    let text = text();
    let archive = zip(&[("a.txt", &text), ("b.txt", &text)]);
    let tarball = tar(&[("a.txt", &text), ("b.txt", &text)]);
    vec![
        ("zip, half", half(&archive), Incomplete),
        ("zip without its end record", cut(&archive, 22), Incomplete),
        ("zip, one byte short", cut(&archive, 1), Incomplete),
        ("zip, cut in its directory", archive[..find(&archive, b"PK\x01\x02", 1) + 10].to_vec(), Incomplete),
        ("zip, cut behind the first header", archive[..40].to_vec(), Incomplete),
        ("tar, cut in a member", half(&tarball), Incomplete),
        ("tar, cut in the last member", tarball[..tarball.len() - 1_024 - 50_000].to_vec(), Incomplete),
        ("gz, half", half(&gzip(None, &text)), Incomplete),
        ("gz without its trailer", cut(&gzip(None, &text), 8), Incomplete),
        ("gz, one byte short", cut(&gzip(None, &text), 1), Incomplete),
        ("gz, its second stream cut", [gzip(None, &text), half(&gzip(None, &text))].concat(), Incomplete),
        ("bz2, half", half(&archives::bzip2(&text)), Incomplete),
        ("bz2, one byte short", cut(&archives::bzip2(&text), 1), Incomplete),
        ("xz, half", half(&xz(&text)), Incomplete),
        ("xz without its footer", cut(&xz(&text), 12), Incomplete),
        ("zst, half", half(&zstd(&text)), Incomplete),
        ("zst, one byte short", cut(&zstd(&text), 1), Incomplete),
        ("tar.gz, half", half(&gzip(None, &tarball)), Incomplete),
        ("a cut gz within tar", tar(&[("a.gz", &half(&gzip(None, &text)))]), Incomplete),
        ("a cut xz within zip", zip(&[("a.xz", &half(&xz(&text)))]), Incomplete),
        ("a cut zip within zip within tar.xz", xz(&tar(&[("a.zip", &zip(&[("b.zip", &half(&archive))]))])), Incomplete),
        ("a cut zst within zip", zip(&[("a.zst", &half(&zstd(&text)))]), Incomplete),
    ]
}

fn damaged() -> Vec<Case> {
    let text = text();
    let archive = zip(&[("a.txt", &text), ("b.txt", &text)]);
    let gz = gzip(None, &text);
    let (bz2, packed_xz) = (archives::bzip2(&text), xz(&text));
    let stored = Zip::new(vec![ZipMember::new("a.txt", STORED, &text)]).write();
    let end = find(&archive, b"PK\x05\x06", 0);
    vec![
        ("zip, a bit in the data", flipped(archive.clone(), 5_000), Incomplete),
        ("zip, a bit in data that is stored", flipped(stored, 5_000), Incomplete),
        (
            "zip, a wrong checksum",
            one(|member| {
                member.local.crc ^= 1;
                member.central.crc ^= 1
            }),
            Incomplete,
        ),
        (
            "zip, a size too small",
            one(|member| {
                member.local.unpacked -= 9;
                member.central.unpacked -= 9
            }),
            Incomplete,
        ),
        ("zip, headers that disagree on the name", one(|member| member.local.name = b"n0tes.txt".to_vec()), Incomplete),
        ("zip, a member that is not listed", one(|member| member.is_listed = false), Incomplete),
        ("zip, a directory elsewhere", patched(archive.clone(), end + 16, &[1, 0, 0, 0]), Incomplete),
        ("zip, fewer members than there are", patched(archive.clone(), end + 8, &[1, 0, 1, 0]), Incomplete),
        ("gz, a bit in the data", flipped(gz.clone(), gz.len() / 2), Incomplete),
        ("gz, a wrong checksum", flipped(gz.clone(), gz.len() - 6), Incomplete),
        ("gz, a wrong size", flipped(gz.clone(), gz.len() - 2), Incomplete),
        ("bz2, a bit in the data", flipped(bz2.clone(), bz2.len() / 2), Incomplete),
        ("xz, a bit in the data", flipped(packed_xz.clone(), packed_xz.len() / 2), Incomplete),
        ("xz, a bit in the index", flipped(packed_xz.clone(), packed_xz.len() - 16), Incomplete),
        (
            "tar, a wrong checksum in its second header",
            {
                let tarball = tar(&[("a.txt", &text), ("b.txt", &text)]);
                let second = find(&tarball, b"b.txt", 0);
                patched(tarball, second + 148, b"000000\0 ")
            },
            Incomplete,
        ),
        ("a damaged gz within zip", zip(&[("a.gz", &flipped(gz.clone(), gz.len() / 2))]), Incomplete),
        ("a damaged zip within tar.gz", gzip(None, &tar(&[("a.zip", &flipped(archive, 5_000))])), Incomplete),
    ]
}

fn encrypted_or_unsupported() -> Vec<Case> {
    let text = text();
    let encrypted = encrypted_zip(&[("plan.txt", b"what nobody may read")]);
    vec![
        ("an encrypted zip", encrypted.clone(), Encrypted),
        ("an encrypted zip within zip", zip(&[("a.zip", &encrypted)]), Encrypted),
        ("an encrypted zip within tar.gz", gzip(None, &tar(&[("a.zip", &encrypted)])), Encrypted),
        ("an encrypted zip within zst", zstd(&encrypted), Encrypted),
        (
            "a protected OpenDocument",
            zip(&[
                ("content.xml", &text[..4_000]),
                ("META-INF/manifest.xml", b"<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>"),
            ]),
            Encrypted,
        ),
        (
            "a method that nobody knows",
            one(|member| {
                member.local.method = 77;
                member.central.method = 77
            }),
            Unsupported,
        ),
        (
            "lz4, which nobody here reads",
            [&[0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7][..], &text].concat(),
            Unsupported,
        ),
        (
            "an rpm in a zip",
            zip(&[("a.rpm", &[&[0xed, 0xab, 0xee, 0xdb, 3, 0, 0, 0][..], &text].concat())]),
            Unsupported,
        ),
        ("a sparse member of a tar", [tar_member("sparse", b'S', &text, |_| {}), tar_end()].concat(), Unsupported),
    ]
}

fn limits() -> Limits {
    Limits { max_members: 500, max_depth: 6, max_unpacked_bytes: 64 << 20, ..Limits::default() }
}

fn bombs() -> Vec<Case> {
    let many: Vec<String> = (0..600).map(|index| format!("{index}.txt")).collect();
    let members: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b"some text"[..])).collect();
    let mut deep = b"at the bottom".to_vec();
    let mut deep_zstd = deep.clone();
    for _ in 0..8 {
        deep = zip(&[("deeper.zip", &deep)]);
        deep_zstd = zstd(&deep_zstd);
    }
    let method = |method| Zip::new(vec![ZipMember::new("zeros", method, &vec![0; 65 << 20])]).write();
    vec![
        ("too many members of a zip", zip(&members), LimitsExceeded),
        ("too many members of a tar", tar(&members), LimitsExceeded),
        ("too deep", deep, LimitsExceeded),
        ("too deep, in zstd", deep_zstd, LimitsExceeded),
        ("zeros in zips, 3 deep", zeros_in_zips(3, 8, 1 << 20), LimitsExceeded),
        ("zeros in gz", gzip(None, &vec![0; 65 << 20]), LimitsExceeded),
        ("zeros in bz2", archives::bzip2(&vec![0; 65 << 20]), LimitsExceeded),
        ("zeros in xz", xz(&vec![0; 65 << 20]), LimitsExceeded),
        ("zeros in zst", zstd(&vec![0; 65 << 20]), LimitsExceeded),
        ("zeros in a zip, zstd", method(ZSTD), LimitsExceeded),
        ("zeros in a zip, xz", method(XZ), LimitsExceeded),
        ("zeros in a zip, bzip2", method(BZIP2), LimitsExceeded),
        ("gz within gz", gzip(None, &gzip(None, &vec![0; 65 << 20])), LimitsExceeded),
    ]
}

async fn expect(test: &TestEngine, cases: Vec<Case>) -> usize {
    let count = cases.len();
    let mut wrong = Vec::new();
    for (name, content, expected) in cases {
        match test.scan(&content).await {
            ScanVerdict::Unscannable { reason, .. } if reason == expected => {}
            verdict => wrong.push(format!("{name}: {verdict:?}, not {}", expected.text())),
        }
    }
    assert!(wrong.is_empty(), "{} of {count}: {wrong:#?}", wrong.len());
    count
}

#[tokio::test]
async fn nothing_that_was_cut_or_damaged_or_is_closed_is_clean() {
    let test = TestEngine::start().await;
    let count = expect(&test, truncated()).await
        + expect(&test, damaged()).await
        + expect(&test, encrypted_or_unsupported()).await;
    println!("{count} inputs with unread content, none clean");
    assert!(count >= 40);
}

#[tokio::test]
async fn bombs_stop_at_the_limits() {
    let test = TestEngine::with(|config| config.limits = limits()).await;
    let begun = Instant::now();
    expect(&test, bombs()).await;
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_bomb_like_42_zip_is_stopped_by_the_defaults() {
    let test = TestEngine::start().await;
    // 42.zip: five layers of sixteen, 4 PB. Of this one each layer of ten holds the next: 10^6 times 16 MB.
    let bomb = zeros_in_zips(6, 10, 16 << 20);
    let begun = Instant::now();
    let verdict = test.scan(&bomb).await;
    println!("{} bytes that unpack to 16 TB: {:?} after {:?}", bomb.len(), verdict, begun.elapsed());
    let ScanVerdict::Unscannable { reason: LimitsExceeded, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(test.scan(b"text").await, ScanVerdict::Clean, "the worker goes on");
}

#[tokio::test]
async fn a_regular_expression_at_its_worst_is_bounded() {
    let signatures: String = (0..20)
        .map(|index| {
            format!("Lazaret.Test.Regex-{index};Engine:81-255,Target:0;0&1;6c617a61726574;0/(a+)+[b-d{index}]$/\n")
        })
        .collect();
    let test = TestEngine::with(|config| {
        config.scan_seconds = 5;
        fs::write(config.definitions.join("regex.ldb"), signatures).expect("written");
    })
    .await;
    let content = [b"lazaret ".as_slice(), &vec![b'a'; 1 << 20]].concat();
    let begun = Instant::now();
    let verdict = test.scan(&content).await;
    println!("1 MiB against (a+)+ twenty times: {verdict:?} after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(test.scan(b"text").await, ScanVerdict::Clean, "the next file has a worker");
}

#[tokio::test]
async fn formats_whose_end_nobody_knows_are_known_by_name() {
    let test = TestEngine::start().await;
    let mut clean = Vec::new();
    for entry in fs::read_dir(TEST_FILES).expect("the package clamav-testfiles is installed") {
        let path = entry.expect("readable").path();
        let content = fs::read(&path).expect("readable");
        if test.scan(&half(&content)).await == ScanVerdict::Clean {
            clean.push(path.file_name().expect("a name").to_string_lossy().into_owned());
        }
    }
    clean.sort();
    assert_eq!(clean, CLEAN_WHEN_CUT, "the README says of which formats a cut is not seen");
}

/// Test files that are clean when cut in half: programs and documents, of which every byte that is there was matched, and
/// containers of which libclamav reads what is there and does not say that more should be.
const CLEAN_WHEN_CUT: &[&str] = &[
    "clam-aspack.exe",
    "clam-fsg.exe",
    "clam-mew.exe",
    "clam-nsis.exe",
    "clam-pespin.exe",
    "clam-petite.exe",
    "clam-upack.exe",
    "clam-upx.exe",
    "clam-wwpack.exe",
    "clam-yc.exe",
    "clam.arj",
    "clam.bin-be.cpio",
    "clam.bin-le.cpio",
    "clam.chm",
    "clam.ea05.exe",
    "clam.ea06.exe",
    "clam.exe",
    "clam.exe.binhex",
    "clam.exe.html",
    "clam.exe.mbox.base64",
    "clam.exe.mbox.uu",
    "clam.exe.szdd",
    "clam.mail",
    "clam.newc.cpio",
    "clam.odc.cpio",
    "clam.ole.doc",
    "clam.pdf",
    "clam.sis",
    "clam.tnef",
    "clam_ISmsi_ext.exe",
    "clam_ISmsi_int.exe",
];
