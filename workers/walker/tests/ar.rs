//! Archives of ar, in the ways of GNU, BSD and Microsoft; sound, cut and damaged.

mod support;

use lazaret_walker::UnreadReason::{self, Damaged, Truncated};
use lazaret_walker::{Kind, Limits, detect};
use support::archives::{gzip, patched, tar};
use support::{collect, defect_of};

const TEXT: &[u8] = b"some content, and some more content";

fn member(name: &str, content: &[u8]) -> Vec<u8> {
    let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len());
    let padding: &[u8] = if content.len() % 2 == 1 { b"\n" } else { b"" };
    [header.as_bytes(), content, padding].concat()
}

fn ar(members: &[Vec<u8>]) -> Vec<u8> {
    [b"!<arch>\n".to_vec(), members.concat()].concat()
}

#[track_caller]
fn expect(content: &[u8], members: &[(&str, &[u8])], unread: &[(&str, UnreadReason)]) {
    assert_eq!(detect(&content).expect("in memory"), Some(Kind::Ar));
    let found = collect(content, Limits::default());
    let expected: Vec<_> = members.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect();
    assert_eq!(found.members, expected);
    let expected: Vec<_> = unread.iter().map(|(path, reason)| ((*path).to_owned(), *reason)).collect();
    assert_eq!(found.unread, expected);
    assert_eq!(defect_of(content).map(|unread| unread.reason()), unread.first().map(|(_, reason)| *reason));
}

#[test]
fn every_member_comes_with_its_name() {
    expect(&ar(&[]), &[], &[]);
    expect(&ar(&[member("a", TEXT), member("b/", b""), member("c/", TEXT)]), &[("a", TEXT), ("c", TEXT)], &[]);

    let long = "a-name-of-more-than-16-letters";
    let gnu_table = format!("other-long-name.o/\n{long}/\n");
    let microsoft_table = format!("other-long-name.o\0{long}\0");
    for (table, offset) in [(&gnu_table, 19), (&microsoft_table, 18)] {
        let content = ar(&[member("//", table.as_bytes()), member(&format!("/{offset}"), TEXT)]);
        expect(&content, &[("\\//", table.as_bytes()), (long, TEXT)], &[]);
    }
    let bsd = [long.as_bytes(), b"\0\0", TEXT].concat();
    expect(&ar(&[member("#1/32", &bsd), member("b", TEXT)]), &[(long, TEXT), ("b", TEXT)], &[]);
}

#[test]
fn names_that_lead_nowhere_lose_no_member() {
    expect(&ar(&[member("/99", TEXT)]), &[("\\/99", TEXT)], &[]);
    let text = String::from_utf8(TEXT.to_vec()).expect("text");
    expect(&ar(&[member("#1/99", TEXT), member("b", TEXT)]), &[(&text, TEXT), ("b", TEXT)], &[(&text, Damaged)]);
}

#[test]
fn a_package_is_walked_to_its_files() {
    let tar = tar(&[("usr/bin/x", TEXT)]);
    let packed = gzip(None, &tar);
    let content = ar(&[member("debian-binary", b"2.0\n"), member("data.tar.gz", &packed)]);
    expect(
        &content,
        &[
            ("debian-binary", b"2.0\n"),
            ("data.tar.gz", &packed),
            ("data.tar.gz/(embedded)", &tar),
            ("data.tar.gz/(embedded)/usr/bin/x", TEXT),
        ],
        &[],
    );
}

#[test]
fn what_is_cut_or_damaged_is_told_and_handed_over_as_it_is() {
    let sound = ar(&[member("a", TEXT), member("b", TEXT)]);
    let second = 8 + 60 + TEXT.len() + 1;
    let cut = &sound[..second + 60 + 5];
    expect(cut, &[("a", TEXT), ("b", &TEXT[..5])], &[("b", Truncated)]);
    let cut = &sound[..second + 20];
    expect(cut, &[("a", TEXT), ("(embedded)", &cut[second..])], &[("", Truncated)]);
    // The mark at a header's end, and the size.
    for at in [second + 58, second + 48] {
        let damaged = patched(sound.clone(), at, b"x");
        expect(&damaged, &[("a", TEXT), ("(embedded)", &damaged[second..])], &[("", Damaged)]);
    }
    let huge = patched(sound.clone(), second + 48, b"9999999999");
    expect(&huge, &[("a", TEXT), ("b", &sound[second + 60..])], &[("b", Truncated)]);
    for length in 9..second + 60 + TEXT.len() {
        if length != second - 1 && length != second {
            assert!(defect_of(&sound[..length]).is_some(), "cut to {length} bytes");
        }
    }
}
