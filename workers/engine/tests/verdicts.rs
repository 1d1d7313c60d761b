//! What the engine says about files: the real program, asked by the real client.

mod support;

use std::fs::{self, File};

use lazaret_engine_protocol::{FailureReason, Limits, ScanVerdict, UnscannableReason};
use support::{TEST_FILES, TestEngine, eicar, encrypted_zip, gzip, zip};

fn found(verdict: &ScanVerdict) -> Vec<(&str, &str)> {
    match verdict {
        ScanVerdict::Infected { detections, omitted: 0 } => {
            assert!(detections.iter().all(|detection| detection.engine == "clamav"));
            detections.iter().map(|detection| (detection.member.as_str(), detection.threat.as_str())).collect()
        }
        verdict => panic!("not infected: {verdict:?}"),
    }
}

fn unscannable(verdict: ScanVerdict) -> (UnscannableReason, String) {
    match verdict {
        ScanVerdict::Unscannable { reason, detail } => (reason, detail),
        verdict => panic!("not unscannable: {verdict:?}"),
    }
}

#[tokio::test]
async fn all_test_files_of_clamav_are_infected() {
    let test = TestEngine::start().await;
    let mut count = 0;
    for entry in fs::read_dir(TEST_FILES).expect("the package clamav-testfiles is installed") {
        let path = entry.expect("readable").path();
        let file = File::open(&path).expect("readable");
        let size = file.metadata().expect("readable").len();
        let verdict = test.engine.scan(file.into(), size).await;
        assert!(found(&verdict).iter().all(|(_, threat)| *threat == "ClamAV-Test-File"), "{}", path.display());
        count += 1;
    }
    assert_eq!(count, 44);
}

#[tokio::test]
async fn eicar_is_infected_wherever_it_lies() {
    let test = TestEngine::start().await;
    let eicar = eicar();
    assert_eq!(found(&test.scan(&eicar).await), [("", "Eicar-Test-Signature")]);
    let packed = zip(&[("read me.txt", b"hello, reader"), ("sub/dir/eicar.com", &eicar)]);
    assert_eq!(found(&test.scan(&packed).await), [("sub/dir/eicar.com", "Eicar-Test-Signature")]);
    let nested = zip(&[("inner!.zip", &packed)]);
    assert_eq!(found(&test.scan(&nested).await), [("inner!.zip/sub/dir/eicar.com", "Eicar-Test-Signature")]);
}

#[tokio::test]
async fn members_of_one_name_and_size_keep_their_own_paths() {
    let test = TestEngine::start().await;
    let eicar = eicar();
    let clean = vec![b'x'; eicar.len()];
    let packed = zip(&[("a/same", &clean), ("b/same", &eicar), ("c/same", &clean), ("d/same", &eicar)]);
    let verdict = test.scan(&packed).await;
    assert_eq!(found(&verdict), [("b/same", "Eicar-Test-Signature"), ("d/same", "Eicar-Test-Signature")]);
}

#[tokio::test]
async fn an_encrypted_member_is_unscannable_and_named() {
    let test = TestEngine::start().await;
    let verdict = test.scan(&encrypted_zip(&[("secret/plan.txt", b"what nobody may read")])).await;
    assert_eq!(unscannable(verdict), (UnscannableReason::Encrypted, "secret/plan.txt".to_owned()));
}

#[tokio::test]
async fn an_encrypted_zip_behind_something_else_is_unscannable_with_or_without_names() {
    let test = TestEngine::start().await;
    // The second has what looks like nameless members in its own code.
    let programs = ["/usr/bin/env", "/usr/bin/gzip"].map(|path| fs::read(path).expect("part of every Debian"));
    let others = [b"".as_slice(), b"text", b"\0\x01\x02\x03 neither text nor program"];
    for before in others.into_iter().chain(programs.iter().map(Vec::as_slice)) {
        for name in ["", "plan.txt"] {
            let encrypted = encrypted_zip(&[(name, b"what nobody may read")]);
            let verdict = test.scan(&[before, &encrypted].concat()).await;
            let shown = if name.is_empty() { "(embedded)" } else { name };
            let expected = ScanVerdict::unscannable(UnscannableReason::Encrypted, shown);
            assert_eq!(verdict, expected, "behind {} bytes", before.len());
        }
    }
}

#[tokio::test]
async fn malware_beside_an_encrypted_archive_stays_infected() {
    let test = TestEngine::start().await;
    let encrypted = encrypted_zip(&[("plan.txt", b"what nobody may read")]);
    let verdict = test.scan(&zip(&[("secret.zip", &encrypted), ("eicar.com", &eicar())])).await;
    assert_eq!(found(&verdict), [("eicar.com", "Eicar-Test-Signature")]);
}

#[tokio::test]
async fn ordinary_files_are_clean() {
    let test = TestEngine::start().await;
    let empty_zip = zip(&[]);
    let small_members = zip(&[("empty", b""), ("five", b"12345"), ("dir/", b"")]);
    let readable = zip(&[("a.txt", b"nothing but text"), ("b/c.html", b"<html><body>page</body></html>")]);
    for content in [b"text\n".as_slice(), b"\0", &[0xff; 70_000], &empty_zip, &small_members, &readable] {
        assert_eq!(test.scan(content).await, ScanVerdict::Clean, "{} bytes", content.len());
    }
    for path in ["/bin/sh", "/usr/bin/env", "/etc/passwd", "/etc/services"] {
        let Ok(content) = fs::read(path) else { continue };
        assert_eq!(test.scan(&content).await, ScanVerdict::Clean, "{path}");
    }
}

#[tokio::test]
async fn a_program_whose_code_looks_like_a_zip_is_clean() {
    let test = TestEngine::start().await;
    let gzip = fs::read("/usr/bin/gzip").expect("part of every Debian");
    assert!(gzip.windows(4).any(|bytes| bytes == b"PK\x03\x04"), "this gzip no longer has the constant in its code");
    assert_eq!(test.scan(&gzip).await, ScanVerdict::Clean);
}

#[tokio::test]
async fn a_list_of_magic_numbers_is_clean() {
    let test = TestEngine::start().await;
    // As in /usr/share/mime/mime.cache and in osslsigncode: what libclamav reads from it is "encrypted".
    let list = [&b"text\0PK\x03\x04mimetypeapplication/vnd.oasis.opendocument.chart\0"[..]; 30].concat();
    let code = [&b"\x7fELF\x02\x01\x01"[..], &[0; 200], b"PK\x03\x04", &[0xff; 4], &[0x11], &[0; 60]].concat();
    for content in [list, code] {
        assert_eq!(test.scan(&content).await, ScanVerdict::Clean);
    }
}

#[tokio::test]
async fn a_text_that_quotes_eicar_is_clean() {
    let test = TestEngine::start().await;
    let quote = [b"This is the test file: ".as_slice(), &eicar()].concat();
    assert_eq!(test.scan(&quote).await, ScanVerdict::Clean);
}

#[tokio::test]
async fn an_empty_file_is_clean() {
    let test = TestEngine::start().await;
    assert_eq!(test.scan(b"").await, ScanVerdict::Clean);
}

#[tokio::test]
async fn a_limit_that_was_reached_is_never_clean() {
    let test = TestEngine::start().await;
    let mut packed = zip(&[("eicar.com", &eicar())]);
    for _ in 0..60 {
        packed = zip(&[("deeper.zip", &packed)]);
    }
    let (reason, detail) = unscannable(test.scan(&packed).await);
    assert_eq!(reason, UnscannableReason::LimitsExceeded);
    assert!(detail.ends_with("more than 32 containers within one another"), "{detail}");
}

#[tokio::test]
async fn a_zip_that_was_cut_or_damaged_is_never_clean() {
    let test = TestEngine::start().await;
    let content: Vec<u8> = (0..200_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let whole = zip(&[("first.bin", &content), ("second.bin", &content)]);
    assert_eq!(test.scan(&whole).await, ScanVerdict::Clean);
    for length in [whole.len() / 4, whole.len() / 2, whole.len() - 30] {
        let (reason, _) = unscannable(test.scan(&whole[..length]).await);
        assert_eq!(reason, UnscannableReason::Incomplete, "cut to {length} of {} bytes", whole.len());
    }
}

#[tokio::test]
async fn what_libclamav_warns_of_is_never_clean() {
    let test = TestEngine::start().await;
    // A TNEF file whose first attribute ends before its length; libclamav's warning says "returning CLEAN".
    let cut = [b"\x78\x9f\x3e\x22\x01\x00\x01".as_slice(), &[0xff; 8], b"cut short"].concat();
    let (reason, detail) = unscannable(test.scan(&cut).await);
    assert_eq!(reason, UnscannableReason::Incomplete);
    assert!(detail.starts_with("LibClamAV Warning: "), "{detail}");
}

#[tokio::test]
async fn a_gzip_file_that_was_cut_or_damaged_is_never_clean() {
    let test = TestEngine::start().await;
    let content: Vec<u8> = (0..200_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let whole = gzip(&content);
    assert_eq!(test.scan(&whole).await, ScanVerdict::Clean);
    let mut damaged = whole.clone();
    damaged[whole.len() - 5] ^= 1; // of the checksum
    for file in [&whole[..whole.len() / 2], &whole[..whole.len() - 1], &damaged] {
        let (reason, detail) = unscannable(test.scan(file).await);
        assert_eq!(reason, UnscannableReason::Incomplete, "{detail}");
    }
    let infected = gzip(&eicar());
    let verdict = test.scan(&infected[..infected.len() - 4]).await;
    assert_eq!(found(&verdict), [("(embedded)", "Eicar-Test-Signature")]);
}

#[tokio::test]
async fn a_file_above_the_limit_is_not_looked_at() {
    let limits = Limits { max_file_bytes: 1_000, ..Limits::default() };
    let test = TestEngine::with(|config| config.limits = limits).await;
    let (reason, detail) = unscannable(test.scan(&[b'x'; 1_001]).await);
    assert_eq!((reason, detail.as_str()), (UnscannableReason::TooLarge, "1001 bytes, the limit is 1000"));
    assert_eq!(test.scan(&[b'x'; 1_000]).await, ScanVerdict::Clean);
}

#[tokio::test]
async fn a_file_of_another_size_than_was_said_is_not_scanned() {
    let test = TestEngine::start().await;
    for said in [0, 3, 5] {
        let verdict = test.engine.scan(support::file(b"four").into(), said).await;
        let detail = format!("the file has 4 bytes, not {said}");
        assert_eq!(verdict, ScanVerdict::failed(FailureReason::EngineFailed, detail));
    }
    let (pipe, _writer) = rustix::pipe::pipe().expect("a pipe");
    let verdict = test.engine.scan(pipe, 0).await;
    assert_eq!(verdict, ScanVerdict::failed(FailureReason::EngineFailed, "not a regular file"));
}
