//! Archives that are not as they should be, but that usual tools read all the same: none of them is taken for something else.

mod support;

use lazaret_walker::{Fault, Kind, Limits, UnreadReason, detect, has_zip_member};
use support::archives::*;
use support::{collect, defect_of};

const TEXT: &[u8] = b"some content, and some more content";

#[track_caller]
fn kind(content: &[u8]) -> Option<Kind> {
    detect(&content).expect("in memory")
}

/// Whether some member, of whatever path, comes with the text.
fn hands_over_text(content: &[u8]) -> bool {
    collect(content, Limits::default()).members.iter().any(|(_, bytes)| bytes == TEXT)
}

fn prefixed() -> Zip {
    Zip { prefix: b"#!/bin/sh\nunzip $0\n".to_vec(), ..Zip::new(vec![ZipMember::new("x", DEFLATE, TEXT)]) }
}

#[test]
fn a_zip_behind_something_is_known_whatever_follows_its_end_record() {
    for suffix in [&b"."[..], b"\n", &[b'.'; 29], &[b'.'; 5_000], &[b'.'; 66_000]] {
        let content = Zip { suffix: suffix.to_vec(), ..prefixed() }.write();
        assert_eq!(kind(&content), Some(Kind::Zip), "{} bytes", suffix.len());
        assert!(hands_over_text(&content));
    }
}

#[test]
fn a_comment_of_another_length_than_told_hides_no_zip() {
    for (comment, told, defect) in [
        (&b""[..], 5, Some(Fault::Truncated)),
        (b"abc", 4, Some(Fault::Truncated)),
        (b"abc", 2, None),
        (b"abc", 0, None),
    ] {
        let content = Zip { comment: comment.to_vec(), ..prefixed() }.write();
        let content = patched(content.clone(), content.len() - comment.len() - 2, &[told, 0]);
        assert_eq!(kind(&content), Some(Kind::Zip), "{told} told");
        assert_eq!(defect_of(&content).map(|unread| unread.fault), defect, "{told} told");
        assert!(hands_over_text(&content));
    }
}

#[test]
fn an_end_record_that_tells_of_no_members_hides_none() {
    let sound = prefixed().write();
    let content = patched(sound.clone(), find(&sound, b"PK\x05\x06", 0) + 8, &[0; 4]);
    assert_eq!(kind(&content), Some(Kind::Zip));
    assert!(hands_over_text(&content) && defect_of(&content).is_some());
}

#[test]
fn the_last_part_of_a_split_zip_is_one() {
    let sound = prefixed().write();
    let end = find(&sound, b"PK\x05\x06", 0);
    let directory = find(&sound, b"PK\x01\x02", 0);
    let numbered = patched(sound, end + 4, &[2, 0, 2, 0]);
    // The directory and the end; and only the end of the directory.
    for content in [&numbered[directory - 5..], &numbered[directory + 9..]] {
        assert_eq!(kind(content), Some(Kind::Zip));
        assert_eq!(defect_of(content).map(|unread| unread.reason()), Some(UnreadReason::Truncated));
    }
}

#[test]
fn a_zip_in_the_comment_of_another_is_handed_over() {
    let inner = Zip::new(vec![ZipMember::new("hidden", DEFLATE, TEXT)]).write();
    // Its comment should be longer, so that the outer end record seems to be the better one.
    let inner = patched(inner.clone(), inner.len() - 2, &[7, 0]);
    let content = Zip { comment: inner, ..Zip::new(vec![ZipMember::new("x", DEFLATE, b"harmless")]) }.write();
    assert!(hands_over_text(&content) && defect_of(&content).is_some());
}

#[test]
fn the_first_bytes_of_zip_records_make_no_zip() {
    let magics = [&b"\x7fELF"[..], b"PK\x01\x02\0\0PK\x03\x04\0\0PK\x05\x06"].concat();
    for rest in [&[0; 100][..], &[1; 100], &[0xff; 100], b"PK\x06\x06\0\0\0\0PK\x06\x07 some text, and more of it"] {
        let content = [&magics, rest].concat();
        assert_eq!(kind(&content), None, "{rest:x?}");
        assert!(!has_zip_member(&content.as_slice()).expect("in memory"), "{rest:x?}");
    }
}

#[test]
fn a_member_of_a_zip_is_found_anywhere() {
    let sound = prefixed().write();
    let cut = &sound[..find(&sound, b"PK\x01\x02", 0)];
    for content in [&sound, cut] {
        assert!(has_zip_member(&content).expect("in memory"));
    }
    assert!(!has_zip_member(&&cut[..cut.len() - 1]).expect("in memory"), "its data is cut");
    assert!(!has_zip_member(&TEXT).expect("in memory"));
}

#[test]
fn folders_of_a_zip_that_have_data_are_handed_over() {
    for method in [STORED, DEFLATE] {
        let found = collect(&Zip::new(vec![ZipMember::new("folder/", method, TEXT)]).write(), Limits::default());
        assert_eq!(found.members.len(), 1);
        assert_eq!(found.members[0].1, TEXT);
    }
}

#[test]
fn zstd_behind_any_number_of_skipped_frames() {
    let skipped = b"\x5f\x2a\x4d\x18\x01\0\0\0x";
    for count in [1, 5, 99_999, 100_000, 100_002] {
        let content = [skipped.repeat(count), zstd(TEXT)].concat();
        assert_eq!(kind(&content), Some(Kind::Zstd), "{count}");
        assert!(hands_over_text(&content) && defect_of(&content).is_none(), "{count}");
    }
    let other = [skipped.repeat(100_001), TEXT.to_vec()].concat();
    assert_eq!(defect_of(&other).map(|unread| unread.fault), Some(Fault::BadHeader));
    assert_eq!(kind(&[&skipped.repeat(9), TEXT].concat()), None);
}

#[test]
fn broken_headers_with_long_names_take_no_time() {
    // Each is one letter too long for what is left, or has a name that is none.
    let header = [&b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0"[..], &[0; 12], &[0xff, 0xff, 0xff, 0xff]].concat();
    let content = header.repeat((8 << 20) / header.len());
    assert!(has_zip_member(&content.as_slice()).expect("in memory"));
}

#[test]
fn gzip_with_a_flag_that_there_is_not_is_damaged_gzip() {
    for flag in [0x20, 0x40, 0x80, 0xe0] {
        let sound = gzip(Some("x"), TEXT);
        let odd = patched(sound.clone(), 3, &[8 | flag]);
        let with_odd_level = patched(odd.clone(), 8, &[7, 99]);
        let second = [sound.clone(), odd.clone()].concat();
        let behind_zeros = [sound, vec![0; 9], odd.clone()].concat();
        for content in [odd, with_odd_level] {
            assert_eq!(kind(&content), Some(Kind::Gzip));
            assert!(hands_over_text(&content));
            assert_eq!(defect_of(&content).map(|unread| unread.fault), Some(Fault::BadHeader));
        }
        for content in [second, behind_zeros] {
            let found = collect(&content, Limits::default());
            assert_eq!(found.members.iter().filter(|(_, bytes)| bytes == TEXT).count(), 2);
            assert_eq!(found.unread.iter().map(|(_, reason)| *reason).collect::<Vec<_>>(), [UnreadReason::Damaged]);
        }
    }
    for content in
        [&b"\x1f\x8b\x08\xff no gzip, but some text"[..], b"\x1f\x8b\x08\x80", b"\x1f\x8b\x08\x80\0\0\0\0xxxxxxxx"]
    {
        assert_eq!(kind(content), None, "{content:x?}");
    }
}

#[test]
fn streams_behind_zeros_are_read_on() {
    for packed in [gzip(None, TEXT), bzip2(TEXT)] {
        for zeros in [1, 511, 100_000] {
            let content = [packed.clone(), vec![0; zeros], packed.clone(), vec![0; zeros]].concat();
            let found = collect(&content, Limits::default());
            assert_eq!(found.members, [("(embedded)".to_owned(), TEXT.repeat(2))]);
            assert_eq!(defect_of(&content), None);
        }
        let content = [packed, vec![0; 9], zstd(TEXT)].concat();
        assert_eq!(collect(&content, Limits::default()).members[1].1, zstd(TEXT));
    }
}

#[test]
fn a_tar_whose_numbers_only_python_reads_is_one() {
    let sound =
        [tar_member("x", b'0', TEXT, |header| header[124..136].copy_from_slice(b"+0o4_3\0\0\0\0\0\0")), tar_end()]
            .concat();
    let octal = str::from_utf8(&sound[148..156]).expect("digits").trim_matches(['\0', ' ']);
    let sum = u32::from_str_radix(octal, 8).expect("octal");
    let underlined = format!("0_{sum:05o}\0");
    let wide = [&[0x80, 0, 0, 0][..], &sum.to_be_bytes()].concat();
    for checksum in [underlined.as_bytes(), &wide] {
        let content = patched(sound.clone(), 148, checksum);
        assert_eq!(kind(&content), Some(Kind::Tar));
        assert!(hands_over_text(&content) && defect_of(&content).is_none());
    }
}
