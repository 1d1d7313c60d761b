//! Sound archives of all kinds: every member comes with its path and its bytes, and nothing is said against them.

mod support;

use lazaret_walker::{Limits, name};
use support::archives::*;
use support::{collect, defect_of};

const TEXT: &[u8] = b"some content, and some more content";

/// Walks it, and expects these members and no complaint.
#[track_caller]
fn expect(content: &[u8], members: &[(&str, &[u8])]) {
    let paths: Vec<_> = members.iter().map(|(path, _)| *path).collect();
    assert_eq!(defect_of(content), None, "{paths:?}");
    let found = collect(content, Limits::default());
    assert_eq!(found.members.iter().map(|(path, _)| path).collect::<Vec<_>>(), paths);
    for ((path, bytes), (_, expected)) in found.members.iter().zip(members) {
        assert!(bytes == expected, "{path} has other bytes");
    }
    assert_eq!(found.unread, []);
}

#[test]
fn single_streams() {
    expect(&gzip(Some("report.txt"), TEXT), &[("report.txt", TEXT)]);
    for packed in [gzip(None, TEXT), bzip2(TEXT), xz(TEXT), zstd(TEXT)] {
        expect(&packed, &[("(embedded)", TEXT)]);
    }
    for packed in [gzip(None, b""), bzip2(b""), xz(b""), zstd(b"")] {
        expect(&packed, &[("(embedded)", b"")]);
    }
}

#[test]
fn streams_that_follow_one_another_are_one() {
    let twice = [TEXT, TEXT].concat();
    let skipped = b"\x5f\x2a\x4d\x18\x03\0\0\0xyz".to_vec();
    for packed in [
        [gzip(None, TEXT), gzip(None, b""), gzip(None, TEXT)].concat(),
        [bzip2(TEXT), bzip2(b""), bzip2(TEXT)].concat(),
        [xz(TEXT), xz(TEXT)].concat(),
        [xz(TEXT), vec![0; 8], xz(TEXT), vec![0; 4]].concat(),
        [zstd(TEXT), skipped.clone(), zstd(TEXT), skipped.clone()].concat(),
        [skipped, zstd(TEXT), zstd(TEXT), vec![0; 100]].concat(),
        [gzip(None, TEXT), gzip(None, TEXT), vec![0; 1024]].concat(),
    ] {
        expect(&packed, &[("(embedded)", &twice)]);
    }
}

#[test]
fn what_follows_a_stream_is_handed_over_as_it_is() {
    for packed in [gzip(Some("x"), TEXT), bzip2(TEXT)] {
        let found = collect(&[packed, b"a signature".to_vec()].concat(), Limits::default());
        assert_eq!(found.members[1], ("(embedded)".to_owned(), b"a signature".to_vec()));
        assert_eq!(found.unread, []);
    }
}

#[test]
fn every_method_of_a_zip() {
    let long: Vec<u8> = TEXT.iter().copied().cycle().take(300_000).collect();
    for method in [STORED, DEFLATE, DEFLATE64, BZIP2, LZMA, ZSTD, XZ] {
        let members = vec![ZipMember::new("short", method, TEXT), ZipMember::new("long", method, &long)];
        expect(&Zip::new(members).write(), &[("short", TEXT), ("long", &long)]);
    }
}

#[test]
fn lzma_with_its_size_in_place_of_a_mark() {
    let mut member = ZipMember::new("x", LZMA, TEXT);
    member.local.flags = 0;
    member.central.flags = 0;
    // The end mark that is there all the same is allowed.
    expect(&Zip::new(vec![member]).write(), &[("x", TEXT)]);
}

#[test]
fn zips_of_the_ordinary_crate() {
    let members: &[(&str, &[u8])] = &[("a/b.txt", TEXT), ("a/c.txt", b"c"), ("empty", b"")];
    expect(&zip(members), members);
    let wide = zip::write::SimpleFileOptions::default().large_file(true);
    expect(&zip_with(members, wide), members);
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    expect(&zip_with(members, stored), &members[..2]);

    let mut writer = zip::ZipWriter::new_stream(Vec::new());
    writer.add_directory("folder", wide).expect("in memory");
    writer.start_file("folder/x", zip::write::SimpleFileOptions::default()).expect("in memory");
    std::io::Write::write_all(&mut writer, TEXT).expect("in memory");
    expect(&writer.finish().expect("in memory").into_inner(), &[("folder/x", TEXT)]);
}

#[test]
fn zips_written_to_a_pipe() {
    for (with_magic, is_wide) in [(true, false), (false, false), (true, true), (false, true)] {
        let members = [STORED, DEFLATE, BZIP2, LZMA, ZSTD, XZ].map(|method| ZipMember::new("x", method, TEXT));
        let zip = Zip::new(members.map(|member| member.streamed(with_magic, is_wide)).to_vec());
        expect(&zip.write(), &[("x", TEXT); 6]);
    }
}

#[test]
fn zips_with_a_program_a_comment_or_a_mark() {
    let zip = Zip::new(vec![ZipMember::new("x", DEFLATE, TEXT)]);
    // What a program that reads zips has in it.
    let program = [&b"\x7fELF PK\x03\x04\0PK\x01\x02\0"[..], &[b'P'; 100], b"PK\x03\x04", &[0xff; 90]].concat();
    let own_offsets = Zip { prefix: program.clone(), ..zip.clone() };
    let all_offsets = Zip { base: u32::try_from(program.len()).expect("short"), ..own_offsets.clone() };
    let commented =
        Zip { comment: b"a comment with PK\x05\x06 in it, and enough bytes behind".to_vec(), ..zip.clone() };
    let padded = Zip { suffix: vec![0; 2_000], ..zip.clone() };
    let marked = Zip { prefix: b"PK\x07\x08".to_vec(), base: 4, ..zip.clone() };
    for sound in [own_offsets, all_offsets] {
        expect(&sound.write(), &[("x", TEXT), ("(embedded)", &program)]);
    }
    for sound in [commented, padded, marked, zip] {
        expect(&sound.write(), &[("x", TEXT)]);
    }
    expect(&Zip::new(Vec::new()).write(), &[]);
}

#[test]
fn names_may_come_twice_and_lead_anywhere() {
    let names = ["x", "x", "../../etc/passwd", "/root", "a\\..\\b", ""];
    let zip = Zip::new(names.iter().map(|name| ZipMember::new(name, DEFLATE, TEXT)).collect());
    let paths = ["x", "x", "\\.\\./\\.\\./etc/passwd", "\\/root", "a\\\\..\\\\b", "(embedded)"];
    expect(&zip.write(), &paths.map(|path| (path, TEXT)));
}

#[test]
fn tars_of_all_formats() {
    let long = "long/".repeat(60) + "name";
    expect(&tar(&[("a", TEXT), (&long, b"x"), ("empty", b"")]), &[("a", TEXT), (&long, b"x")]);

    let members = [
        tar_member("old", 0, TEXT, |header| header[257..].fill(0)),
        tar_member("name", b'0', TEXT, |header| header[345..351].copy_from_slice(b"prefix")),
        tar_member("folder/", b'5', b"", |_| {}),
        tar_member("link", b'2', b"", |header| header[157..160].copy_from_slice(b"old")),
        tar_member("g", b'g', b"13 comment=x\n", |_| {}),
        tar_member("x", b'x', "19 path=pax/Übung\n13 size=1000\n".as_bytes(), |_| {}),
        tar_member("cut", b'0', &[b'.'; 1000], |header| header[124..135].copy_from_slice(b"00000000001")),
        tar_member("long-link", b'K', &[b'l'; 300], |_| {}),
        tar_member("wide", b'0', TEXT, |header| {
            header[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 35]);
        }),
        tar_member("other", b'Z', TEXT, |_| {}),
    ];
    let dots = [b'.'; 1000];
    expect(
        &[members.concat(), tar_end(), vec![0; 8192]].concat(),
        &[("old", TEXT), ("prefix/name", TEXT), ("pax/Übung", &dots), ("wide", TEXT), ("other", TEXT)],
    );
}

#[test]
fn links_that_claim_a_size_hide_nothing() {
    let link = tar_member("link", b'1', b"", |header| header[124..135].copy_from_slice(b"00000001000"));
    let with_data = tar_member("link", b'1', TEXT, |_| {});
    let file = tar_member("file", b'0', TEXT, |_| {});
    expect(&[link, file.clone(), tar_end()].concat(), &[("file", TEXT)]);
    expect(&[with_data, file, tar_end()].concat(), &[("link", TEXT), ("file", TEXT)]);
}

#[test]
fn what_was_on_the_tape_before_is_handed_over_as_it_is() {
    let mut content = [tar(&[("x", TEXT)]), vec![b'.'; 700]].concat();
    expect(&content, &[("x", TEXT), ("(embedded)", &[b'.'; 700])]);
    content.truncate(content.len() - 700);
    expect(&content, &[("x", TEXT)]);
}

#[test]
fn nested_three_deep() {
    type Pack = fn(&[u8]) -> Vec<u8>;
    let kinds: [(&str, Pack); 6] = [
        ("in", |content| zip(&[("in", content)])),
        ("in", |content| tar(&[("in", content)])),
        ("in", |content| gzip(Some("in"), content)),
        ("(embedded)", bzip2),
        ("(embedded)", xz),
        ("(embedded)", zstd),
    ];
    for (first, outer) in kinds {
        for (second, middle) in kinds {
            for (third, inner) in kinds {
                let inner = inner(TEXT);
                let middle = middle(&inner);
                let content = outer(&middle);
                let second_path = name::join(first, second);
                let third_path = name::join(&second_path, third);
                expect(&content, &[(first, &middle), (&second_path, &inner), (&third_path, TEXT)]);
            }
        }
    }
}
