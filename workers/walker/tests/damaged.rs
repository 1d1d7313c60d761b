//! Damaged, cut and encrypted archives: each with the exact reason, and with all that could be unpacked handed over.

mod support;

use lazaret_walker::UnreadReason::{self, Damaged, Encrypted, TooLarge, Truncated, UnsupportedMethod};
use lazaret_walker::{Fault, Limits};
use support::archives::*;
use support::{collect, defect_of};

const TEXT: &[u8] = b"some content, and some more content";

/// What is said of one archive.
struct Case {
    name: &'static str,
    content: Vec<u8>,
    /// The first defect.
    defect: UnreadReason,
    /// What the walk reports.
    unread: Vec<(&'static str, UnreadReason)>,
    /// Members of which all bytes come.
    whole: Vec<&'static str>,
}

fn check(cases: Vec<Case>) {
    for Case { name, content, defect, unread, whole } in cases {
        let found_defect = defect_of(&content).unwrap_or_else(|| panic!("{name}: no defect"));
        assert_eq!(found_defect.reason(), defect, "{name}: {found_defect}");
        let found = collect(&content, Limits::default());
        let expected: Vec<_> = unread.iter().map(|(path, reason)| ((*path).to_owned(), *reason)).collect();
        assert_eq!(found.unread, expected, "{name}: {found_defect}");
        let found_whole: Vec<_> =
            found.members.iter().filter(|(_, bytes)| bytes == TEXT).map(|(path, _)| path.as_str()).collect();
        assert_eq!(found_whole, whole, "{name}");
    }
}

fn case(
    name: &'static str,
    content: Vec<u8>,
    defect: UnreadReason,
    unread: &[(&'static str, UnreadReason)],
    whole: &[&'static str],
) -> Case {
    Case { name, content, defect, unread: unread.to_vec(), whole: whole.to_vec() }
}

/// Two members, `a` and `b`, packed by this method.
fn pair(method: u16) -> Zip {
    Zip::new(vec![ZipMember::new("a", method, TEXT), ZipMember::new("b", method, TEXT)])
}

fn changed(mut zip: Zip, change: impl Fn(&mut Zip)) -> Vec<u8> {
    change(&mut zip);
    zip.write()
}

#[test]
fn zips_whose_directory_is_damaged() {
    let sound = pair(DEFLATE).write();
    let directory = find(&sound, b"PK\x01\x02", 0);
    let end = find(&sound, b"PK\x05\x06", 0);
    let both = ["a", "b"];
    check(vec![
        case("no end record", sound[..end].to_vec(), Damaged, &[("", Damaged)], &both),
        case("no directory", sound[..directory].to_vec(), Damaged, &[("", Damaged)], &both),
        case(
            "cut in the second member",
            sound[..directory - 3].to_vec(),
            Damaged,
            &[("", Damaged), ("b", Truncated)],
            &["a"],
        ),
        case("cut in the end record", sound[..end + 10].to_vec(), Damaged, &[("", Damaged)], &both),
        case("the first entry", flipped(sound.clone(), directory), Damaged, &[("", Damaged)], &both),
        case(
            "the second entry",
            flipped(sound.clone(), find(&sound, b"PK\x01\x02", 1)),
            Damaged,
            &[("", Damaged)],
            &both,
        ),
        case("offset and size", patched(sound.clone(), end + 12, &[9; 8]), Damaged, &[("", Damaged)], &both),
        case("the number of entries", patched(sound.clone(), end + 8, &[3, 0, 3, 0]), Damaged, &[("", Damaged)], &both),
        case("one part of several", patched(sound.clone(), end + 4, &[1, 0]), Truncated, &[("", Truncated)], &both),
        case(
            "the offset of an entry",
            patched(sound.clone(), directory + 42, &[1]),
            Damaged,
            &[("a", Damaged), ("a", Damaged)], // not there; and there is one that is not listed
            &["b", "a"],
        ),
    ]);
    let streamed = [DEFLATE, BZIP2, LZMA, ZSTD, XZ, DEFLATE64, STORED];
    for method in streamed {
        for (with_magic, is_wide) in [(true, false), (true, true), (false, false), (false, true)] {
            if method == STORED && !with_magic {
                continue; // its end is nowhere to be seen
            }
            let members = pair(method).members.into_iter().map(|member| member.streamed(with_magic, is_wide)).collect();
            let zip = Zip::new(members).write();
            let cut = zip[..find(&zip, b"PK\x01\x02", 0)].to_vec();
            check(vec![case("written to a pipe, no directory", cut, Damaged, &[("", Damaged)], &both)]);
        }
    }
}

#[test]
fn recovered_members_are_checked_against_what_follows_them() {
    for method in [STORED, DEFLATE, BZIP2] {
        let mut zip = pair(method);
        zip.members = zip.members.into_iter().map(|member| member.streamed(true, false)).collect();
        zip.members[0].after[4] ^= 1;
        let content = zip.write();
        let cut = content[..find(&content, b"PK\x01\x02", 0)].to_vec();
        check(vec![case("checksum", cut, Damaged, &[("", Damaged), ("a", Damaged)], &["a", "b"])]);
    }
}

#[test]
fn zips_whose_members_are_damaged() {
    for method in [DEFLATE, DEFLATE64, BZIP2, LZMA, ZSTD, XZ] {
        let unread = [("a", Damaged)];
        let wrong_crc = changed(pair(method), |zip| {
            zip.members[0].local.crc ^= 1;
            zip.members[0].central.crc ^= 1;
        });
        let too_long = changed(pair(method), |zip| {
            zip.members[0].local.unpacked -= 1;
            zip.members[0].central.unpacked -= 1;
        });
        let bad_data = changed(pair(method), |zip| zip.members[0].data.iter_mut().for_each(|byte| *byte = !*byte));
        let reason = if method == LZMA { Damaged } else { defect_of(&bad_data).expect("a defect").reason() };
        assert!(matches!(reason, Damaged | Truncated), "{method}: {reason:?}");
        check(vec![
            case("checksum", wrong_crc, Damaged, &unread, &["a", "b"]),
            case("size", too_long, Damaged, &unread, &["a", "b"]),
            case("data", bad_data, reason, &[("a", reason)], &["b"]),
        ]);
        let cut = changed(pair(method), |zip| {
            let data = &mut zip.members[0].data;
            data.truncate(data.len() - 3);
            zip.members[0].local.packed -= 3;
            zip.members[0].central.packed -= 3;
        });
        let defect = defect_of(&cut).expect("a defect");
        assert!(matches!(defect.reason(), Truncated | Damaged) && defect.path.as_str() == "a", "{method}: {defect}");
    }
    check(vec![
        case("stored data", flipped(pair(STORED).write(), 35), Damaged, &[("a", Damaged)], &["b"]),
        case(
            "stored size",
            changed(pair(STORED), |zip| zip.members[0].central.unpacked += 1),
            Damaged,
            &[("a", Damaged), ("a", Damaged)], // the headers disagree; and it is another size
            &["a", "b"],
        ),
        case(
            "beyond the end",
            changed(pair(STORED), |zip| {
                zip.members.truncate(1);
                zip.members[0].local.packed = 1 << 30;
                zip.members[0].central.packed = 1 << 30;
            }),
            Damaged,
            &[("", Damaged), ("a", Truncated)], // it would cover the directory
            &[],
        ),
        case(
            "a zip64 size beyond all ends",
            changed(pair(STORED), |zip| {
                let extra = [&[1, 0, 16, 0][..], &u64::MAX.to_le_bytes(), &u64::MAX.to_le_bytes()].concat();
                zip.members.remove(0);
                let member = &mut zip.members[0];
                for fields in [&mut member.local, &mut member.central] {
                    (fields.packed, fields.unpacked, fields.extra) = (u32::MAX, u32::MAX, extra.clone());
                }
            }),
            Damaged,
            &[("", Damaged), ("b", Truncated)],
            &[],
        ),
    ]);
}

#[test]
fn zips_that_readers_may_read_differently() {
    let hidden = |zip: &mut Zip| zip.members[0].is_listed = false;
    check(vec![
        case(
            "name",
            changed(pair(DEFLATE), |zip| zip.members[0].local.name = b"x".to_vec()),
            Damaged,
            &[("a", Damaged)],
            &["a", "b"],
        ),
        case(
            "method",
            changed(pair(DEFLATE), |zip| zip.members[0].local.method = 0),
            Damaged,
            &[("a", Damaged)],
            &["a", "b"],
        ),
        case(
            "packed size",
            changed(pair(DEFLATE), |zip| zip.members[0].local.packed = 1),
            Damaged,
            &[("a", Damaged)],
            &["a", "b"],
        ),
        case(
            "size",
            changed(pair(DEFLATE), |zip| zip.members[0].local.unpacked = 1),
            Damaged,
            &[("a", Damaged)],
            &["a", "b"],
        ),
        case(
            "checksum",
            changed(pair(DEFLATE), |zip| zip.members[0].local.crc = 1),
            Damaged,
            &[("a", Damaged)],
            &["a", "b"],
        ),
        case(
            "encryption",
            changed(pair(DEFLATE), |zip| zip.members[0].local.flags = 1),
            Damaged,
            &[("a", Damaged)],
            &["a", "b"],
        ),
        case("unlisted at the beginning", changed(pair(DEFLATE), hidden), Damaged, &[("a", Damaged)], &["b", "a"]),
        case(
            "unlisted in the middle",
            changed(pair(DEFLATE), |zip| zip.members[1].is_listed = false),
            Damaged,
            &[("b", Damaged)],
            &["a", "b"],
        ),
        case(
            "two zips in one",
            [pair(DEFLATE).write(), pair(BZIP2).write()].concat(),
            Damaged,
            &[("a", Damaged), ("b", Damaged)],
            &["a", "b", "a", "b"],
        ),
        case(
            "a zip behind the end",
            changed(pair(DEFLATE), |zip| zip.suffix = [pair(STORED).write(), vec![0; 9]].concat()),
            Damaged,
            &[("a", Damaged), ("b", Damaged)],
            &["a", "b", "a", "b"],
        ),
        case(
            "a member within another's bytes",
            changed(pair(DEFLATE), |zip| {
                let hidden = Zip::new(vec![ZipMember::new("hidden", STORED, TEXT)]).write();
                let data = &mut zip.members[0].data;
                data.extend(hidden);
                let length = u32::try_from(data.len()).expect("short");
                (zip.members[0].local.packed, zip.members[0].central.packed) = (length, length);
            }),
            Damaged,
            &[("a", Damaged)],
            &["a", "b"],
        ),
    ]);
    let overlapping = changed(pair(STORED), |zip| {
        let length = u32::try_from(TEXT.len() * 2 + 31).expect("short");
        let first = &mut zip.members[0];
        for fields in [&mut first.local, &mut first.central] {
            (fields.packed, fields.unpacked) = (length, length);
        }
    });
    assert_eq!(defect_of(&overlapping).expect("a defect").fault, Fault::Overlap);
}

#[test]
fn zips_with_encrypted_or_unsupported_members() {
    let encrypted = |flags: u16| {
        changed(pair(DEFLATE), move |zip| {
            zip.members[0].local.flags |= flags;
            zip.members[0].central.flags |= flags;
        })
    };
    let method = |method: u16| {
        changed(pair(DEFLATE), move |zip| {
            zip.members[0].local.method = method;
            zip.members[0].central.method = method;
        })
    };
    let aes = zip::write::SimpleFileOptions::default().with_aes_encryption(zip::AesMode::Aes256, "password");
    check(vec![
        case("the old way", encrypted(1), Encrypted, &[("a", Encrypted)], &["b"]),
        case("strongly", encrypted(1 | 1 << 6), Encrypted, &[("a", Encrypted)], &["b"]),
        case("the directory as well", encrypted(1 << 13), Encrypted, &[("a", Encrypted)], &["b"]),
        case("AES", zip_with(&[("a", TEXT)], aes), Encrypted, &[("a", Encrypted)], &[]),
        case("imploded", method(6), UnsupportedMethod, &[("a", UnsupportedMethod)], &["b"]),
        case("PPMd", method(98), UnsupportedMethod, &[("a", UnsupportedMethod)], &["b"]),
    ]);

    // What is wrong beside it counts for more.
    let mut zip = pair(STORED);
    zip.members[0].local.flags = 1;
    zip.members[0].central.flags = 1;
    zip.members[1].data[0] ^= 1;
    assert_eq!(defect_of(&zip.write()).expect("a defect").reason(), Damaged);
    let cut = zip.write();
    let found = collect(&cut[..find(&cut, b"PK\x01\x02", 0)], Limits::default());
    assert_eq!(found.unread[1], ("a".to_owned(), Encrypted));
}

#[test]
fn gzip() {
    let sound = support::archives::gzip(Some("name"), TEXT);
    let second = [sound.clone(), support::archives::gzip(None, TEXT)].concat();
    let mut with_crc = sound.clone();
    with_crc[3] |= 2;
    with_crc.splice(15..15, [0, 0]);
    let end = sound.len();
    check(vec![
        case("cut in the data", sound[..end - 12].to_vec(), Truncated, &[("", Truncated)], &[]),
        case("cut in the trailer", sound[..end - 3].to_vec(), Truncated, &[("", Truncated)], &["name"]),
        case("cut in the header", sound[..12].to_vec(), Truncated, &[("", Truncated)], &[]),
        case("checksum", flipped(sound.clone(), end - 8), Damaged, &[("", Damaged)], &["name"]),
        case("length", flipped(sound.clone(), end - 4), Damaged, &[("", Damaged)], &["name"]),
        case("checksum of the header", with_crc, Damaged, &[("", Damaged)], &[]),
        case("the second member", second[..second.len() - 1].to_vec(), Truncated, &[("", Truncated)], &[]),
    ]);
}

#[test]
fn bzip2() {
    let sound = support::archives::bzip2(TEXT);
    let twice = [sound.clone(), sound.clone()].concat();
    let end = sound.len();
    check(vec![
        case("cut", sound[..end - 5].to_vec(), Truncated, &[("", Truncated)], &["(embedded)"]),
        case("data", flipped(sound.clone(), 40), Damaged, &[("", Damaged)], &[]),
        case("checksum of all", flipped(sound.clone(), end - 3), Damaged, &[("", Damaged)], &["(embedded)"]),
        case("the second stream", twice[..end * 2 - 1].to_vec(), Truncated, &[("", Truncated)], &[]),
        case("the second header", twice[..end + 4].to_vec(), Truncated, &[("", Truncated)], &["(embedded)"]),
    ]);
}

#[test]
fn xz() {
    let sound = support::archives::xz(TEXT);
    let end = sound.len();
    let with = |rest: &[u8]| [&sound, rest].concat();
    let of_128_mib = xz_of_dictionary(TEXT, 128 << 20);
    check(vec![
        case("cut in the data", sound[..40].to_vec(), Truncated, &[("", Truncated)], &[]),
        case("cut in the index", sound[..end - 14].to_vec(), Truncated, &[("", Truncated)], &["(embedded)"]),
        case("data", flipped(sound.clone(), 30), Damaged, &[("", Damaged)], &[]),
        case("checksum", flipped(sound.clone(), end - 26), Damaged, &[("", Damaged)], &["(embedded)"]),
        case("index", flipped(sound.clone(), end - 14), Damaged, &[("", Damaged)], &["(embedded)"]),
        case("something behind", with(b"something"), Damaged, &[("", Damaged)], &["(embedded)"]),
        case("the second header", with(b"\xfd7zX"), Truncated, &[("", Truncated)], &["(embedded)"]),
        case("the second stream", with(&sound[..30]), Truncated, &[("", Truncated)], &["(embedded)"]),
        case("too large a dictionary", of_128_mib, TooLarge, &[("", TooLarge)], &[]),
    ]);
}

#[test]
fn zstd() {
    let sound = support::archives::zstd(TEXT);
    let end = sound.len();
    let with = |rest: &[u8]| [&sound, rest].concat();
    let length = u8::try_from(TEXT.len()).expect("short");
    check(vec![
        case("cut in the block", sound[..end - 8].to_vec(), Truncated, &[("", Truncated)], &[]),
        case("cut in the checksum", sound[..end - 2].to_vec(), Truncated, &[("", Truncated)], &["(embedded)"]),
        case("checksum", flipped(sound.clone(), end - 1), Damaged, &[("", Damaged)], &["(embedded)"]),
        case("length", zstd_by_hand(&[0x20, length + 1], TEXT, &[]), Damaged, &[("", Damaged)], &["(embedded)"]),
        case("something behind", with(b"something"), Damaged, &[("", Damaged)], &["(embedded)"]),
        case(
            "a skipped frame that is cut",
            with(b"\x50\x2a\x4d\x18\x09\0\0\0xy"),
            Truncated,
            &[("", Truncated)],
            &["(embedded)"],
        ),
        case("the second frame", with(&sound[..end - 6]), Truncated, &[("", Truncated)], &["(embedded)"]),
        case("too large a window", zstd_by_hand(&[0, 0x90], TEXT, &[]), TooLarge, &[("", TooLarge)], &[]),
        case(
            "a dictionary",
            zstd_by_hand(&[0x21, 7, length], TEXT, &[]),
            UnsupportedMethod,
            &[("", UnsupportedMethod)],
            &[],
        ),
        case("an old format", b"\x27\xb5\x2f\xfd0123".to_vec(), UnsupportedMethod, &[("", UnsupportedMethod)], &[]),
    ]);
    assert_eq!(defect_of(&zstd_by_hand(&[0x20, length], TEXT, &[])), None);
}

#[test]
fn tar() {
    let (a, b) = (tar_member("a", b'0', TEXT, |_| {}), tar_member("b", b'0', TEXT, |_| {}));
    let sound = [a.clone(), b.clone(), tar_end()].concat();
    let with =
        |kind: u8, content: &[u8]| [a.clone(), tar_member("x", kind, content, |_| {}), b.clone(), tar_end()].concat();
    check(vec![
        case("cut in a member", sound[..1024 + 512 + 20].to_vec(), Truncated, &[("b", Truncated)], &["a"]),
        case("cut in a header", sound[..1024 + 300].to_vec(), Truncated, &[("", Truncated)], &["a"]),
        case("no end", sound[..2048].to_vec(), Truncated, &[("", Truncated)], &["a", "b"]),
        case("a header", flipped(sound.clone(), 1024), Damaged, &[("", Damaged)], &["a"]),
        case(
            "a size beyond the end",
            [tar_member("a", b'0', TEXT, |header| header[124] = b'7'), b.clone()].concat(),
            Truncated,
            &[("a", Truncated)],
            &[],
        ),
        case(
            "a negative size",
            [a.clone(), tar_member("x", b'0', TEXT, |header| header[124] = 0xff), b.clone(), tar_end()].concat(),
            Damaged,
            &[("", Damaged)],
            &["a", "b"],
        ),
        case("a sparse file", with(b'S', TEXT), UnsupportedMethod, &[("x", UnsupportedMethod)], &["a", "x", "b"]),
        case(
            "a sparse file of pax",
            with(b'x', b"22 GNU.sparse.major=1\n"),
            UnsupportedMethod,
            &[("b", UnsupportedMethod)],
            &["a", "b"],
        ),
        case("the end of a file on another volume", with(b'M', TEXT), Truncated, &[("x", Truncated)], &["a", "x", "b"]),
        case("pax records", with(b'x', b"99 path=y\n"), Damaged, &[("", Damaged)], &["a", "b"]),
        case("a name of 2 MiB", with(b'L', &vec![b'x'; 2 << 20]), Damaged, &[("", Damaged)], &["a", "b"]),
        case(
            "members behind the end",
            [sound.clone(), tar_member("c", b'0', TEXT, |_| {}), tar_end()].concat(),
            Damaged,
            &[("", Damaged)],
            &["a", "b", "c"],
        ),
        case(
            "cut in a long name",
            [a.clone(), tar_member("x", b'L', &[b'n'; 600], |_| {})[..800].to_vec()].concat(),
            Truncated,
            &[("", Truncated)],
            &["a"],
        ),
    ]);
}
