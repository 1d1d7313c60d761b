//! Limits, and archives that are made to break them: always a reason, always soon, always in bounded memory.

mod support;

use std::time::Instant;

use lazaret_walker::UnreadReason::{self, Damaged, ExpansionRatio, TooDeep, TooLarge, TooManyMembers};
use lazaret_walker::{
    Budget, Content, Limits, Member, MemberPath, Source, Stop, Unread, UnreadList, Visitor, defect, detect, walk,
};
use support::archives::*;
use support::collect;

const TEXT: &[u8] = b"some content, and some more content";

fn unread(content: &[u8], limits: Limits) -> Vec<(String, UnreadReason)> {
    collect(content, limits).unread
}

fn reason(content: &[u8], limits: Limits) -> Option<UnreadReason> {
    defect(&content, &limits).expect("in memory").map(|unread| unread.reason())
}

/// Reads everything and keeps nothing, but for what stays unread.
#[derive(Default)]
struct Sink {
    members: u64,
    bytes: u64,
    unread: UnreadList,
    walks_nested: bool,
}

impl Visitor for Sink {
    fn member(&mut self, member: Member<'_, '_>, budget: &Budget) -> Result<(), Stop> {
        self.members += 1;
        match member.content {
            Content::Stored(section) => {
                self.bytes += section.len();
                if self.walks_nested && detect(&section).expect("in memory").is_some() {
                    let _ = walk(&section, member.path, budget, self).expect("in memory");
                }
            }
            Content::Packed(packed) => {
                let mut content = Vec::new();
                if self.walks_nested {
                    packed.read_to_end(&mut content).expect("in memory");
                    let _ = walk(&content.as_slice(), member.path, budget, self).expect("in memory");
                } else {
                    self.bytes += std::io::copy(packed, &mut std::io::sink()).expect("in memory");
                }
            }
        }
        Ok(())
    }

    fn unread(&mut self, unread: Unread) -> Result<(), Stop> {
        self.unread.push(unread);
        Ok(())
    }
}

fn sink(content: &dyn Source, limits: Limits, walks_nested: bool) -> Sink {
    let mut sink = Sink { walks_nested, ..Sink::default() };
    let budget = Budget::new(limits, content.len());
    let _ = walk(content, &MemberPath::root(), &budget, &mut sink).expect("in memory");
    sink
}

#[test]
fn members_are_counted_over_all_containers() {
    let limits = Limits { max_members: 3, ..Limits::default() };
    let three: &[(&str, &[u8])] = &[("a", TEXT), ("b", TEXT), ("c", TEXT)];
    let four: &[(&str, &[u8])] = &[("a", TEXT), ("b", TEXT), ("c", TEXT), ("d", TEXT)];
    for (sound, excess) in [(zip(three), zip(four)), (tar(three), tar(four))] {
        assert_eq!(reason(&sound, limits), None);
        assert_eq!(reason(&excess, limits), Some(TooManyMembers));
        let found = collect(&excess, limits);
        assert_eq!(found.unread, [(String::new(), TooManyMembers)]);
        assert_eq!(found.members.len(), 3);
        assert_eq!(unread(&tar(&[("in", &sound)]), limits), [("in".to_owned(), TooManyMembers)]);
    }
}

#[test]
fn containers_are_counted_within_one_another() {
    let limits = Limits { max_depth: 3, ..Limits::default() };
    let three = zip(&[("b", &tar(&[("c", &gzip(Some("d"), TEXT))]))]);
    assert_eq!(unread(&three, limits), []);
    assert_eq!(unread(&tar(&[("a", &three)]), limits), [("a/b/c".to_owned(), TooDeep)]);
}

#[test]
fn bytes_are_counted_for_a_member_and_for_all() {
    let packed = zip(&[("a", &[0; 1000]), ("b", &[0; 1000])]);
    for (limits, expected) in [
        (Limits { max_member_bytes: 1000, ..Limits::default() }, &[][..]),
        (Limits { max_member_bytes: 999, ..Limits::default() }, &[("a", TooLarge), ("b", TooLarge)]),
        (Limits { max_unpacked_bytes: 2000, ..Limits::default() }, &[]),
        (Limits { max_unpacked_bytes: 1999, ..Limits::default() }, &[("b", TooLarge)]),
    ] {
        let found = collect(&packed, limits);
        let expected: Vec<_> = expected.iter().map(|(path, reason)| ((*path).to_owned(), *reason)).collect();
        assert_eq!(found.unread, expected);
        assert_eq!(found.members.len(), 2, "what fits of a member that does not is handed over");
        assert_eq!(reason(&packed, limits), expected.first().map(|(_, reason)| *reason));
    }
    // What needs no unpacking is never too large: that is the visitor's to say.
    let limits = Limits { max_member_bytes: 10, max_unpacked_bytes: 10, ..Limits::default() };
    assert_eq!(unread(&tar(&[("a", TEXT)]), limits), []);
}

#[test]
fn a_bomb_ends_at_the_ratio() {
    let bomb = gzip(None, &vec![0; 260 << 20]);
    let found = sink(&bomb.as_slice(), Limits::default(), false);
    assert_eq!(found.bytes, 256 << 20);
    assert_eq!(found.unread.kept()[0].reason(), ExpansionRatio);
    // Generous enough for anything but a bomb.
    let limits = Limits { max_expansion_ratio: 2_000, ..Limits::default() };
    assert!(sink(&bomb.as_slice(), limits, false).unread.is_empty());
}

#[test]
fn a_bomb_of_bombs_ends_at_the_ratio() {
    // Like 42.zip: 16 times 16 times 16 MiB in some kilobytes.
    let mut bomb = vec![0; 16 << 20];
    for _ in 0..3 {
        let names: Vec<String> = (0..16).map(|number| format!("{number}.zip")).collect();
        let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), bomb.as_slice())).collect();
        bomb = zip(&members);
    }
    let start = Instant::now();
    let found = sink(&bomb.as_slice(), Limits::default(), true);
    assert!(found.unread.kept().iter().any(|unread| unread.reason() == ExpansionRatio));
    assert!(start.elapsed().as_secs() < 60, "took {:?}", start.elapsed());
}

/// A zip of members that all share the same bytes: each header is a stored block in the data of the one before it (D. Fifield, 2019).
fn overlapping(count: usize) -> Vec<u8> {
    let kernel = deflate(&vec![b'a'; 100_000], flate2::Compression::best());
    let mut headers: Vec<Vec<u8>> = Vec::new();
    let mut data = kernel;
    let mut central = Vec::new();
    for number in (0..count).rev() {
        let mut member = ZipMember::new(&format!("{number:04}"), STORED, b"");
        (member.local.method, member.local.packed) = (DEFLATE, u32::try_from(data.len()).expect("short"));
        member.central = member.local.clone();
        member.is_listed = false;
        let zip = Zip::new(vec![member.clone()]).write();
        let header = zip[..find(&zip, b"PK\x05\x06", 0)].to_vec();
        let length = u16::try_from(header.len()).expect("short");
        headers.push(header.clone());
        central.push(member.central);
        data = [&[0], &length.to_le_bytes()[..], &(!length).to_le_bytes(), &header, &data].concat();
    }
    let first = 5; // the outermost block has no member around it
    let mut out = data[first..].to_vec();
    let start = out.len();
    for (index, fields) in central.iter().rev().enumerate() {
        let offset = u32::try_from(index * (headers[0].len() + 5)).expect("short");
        let one = Zip {
            base: offset,
            ..Zip::new(vec![ZipMember {
                local: fields.clone(),
                central: fields.clone(),
                data: Vec::new(),
                after: Vec::new(),
                is_listed: true,
            }])
        };
        let written = one.write();
        out.extend(&written[find(&written, b"PK\x01\x02", 0)..find(&written, b"PK\x05\x06", 0)]);
    }
    let count = u16::try_from(count).expect("short").to_le_bytes();
    let length = u32::try_from(out.len() - start).expect("short").to_le_bytes();
    out.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &length].concat());
    out.extend(u32::try_from(start).expect("short").to_le_bytes());
    out.extend([0, 0]);
    out
}

#[test]
fn members_that_share_their_bytes_are_told_before_anything_is_unpacked() {
    let bomb = overlapping(2_000);
    let found = defect(&bomb.as_slice(), &Limits::default()).expect("in memory").expect("a defect");
    assert_eq!(found.reason(), Damaged);
    assert_eq!(found.to_string(), "shares bytes with another member");
    let limits = Limits { max_unpacked_bytes: 64 << 20, ..Limits::default() };
    let found = sink(&bomb.as_slice(), limits, false);
    assert!(found.bytes <= 64 << 20);
    assert!(found.unread.kept().iter().any(|unread| unread.reason() == TooLarge));
}

#[test]
fn stored_members_can_not_share_bytes_without_end() {
    let mut zip = Zip::new(vec![ZipMember::new("x", STORED, &[b'x'; 100_000])]);
    let entry = {
        let written = zip.write();
        written[find(&written, b"PK\x01\x02", 0)..find(&written, b"PK\x05\x06", 0)].to_vec()
    };
    zip.members[0].is_listed = false;
    let written = zip.write();
    let start = u32::try_from(written.len() - 22).expect("short");
    let count = 60_000_u16;
    let length = u32::try_from(entry.len()).expect("short") * u32::from(count);
    let bomb = [
        &written[..written.len() - 22],
        &entry.repeat(usize::from(count)),
        b"PK\x05\x06\0\0\0\0",
        &count.to_le_bytes(),
        &count.to_le_bytes(),
        &length.to_le_bytes(),
        &start.to_le_bytes(),
        &[0, 0],
    ]
    .concat();
    let found = sink(&bomb.as_slice(), Limits::default(), false);
    assert!(found.bytes <= bomb.len() as u64);
    assert!(found.unread.count() > 50_000);
}

/// Contains itself: what is handed over is the whole again, until the depth ends it.
#[test]
fn an_archive_within_itself_ends_at_the_depth() {
    struct Quine<'a>(&'a [u8], Vec<Unread>);
    impl Visitor for Quine<'_> {
        fn member(&mut self, member: Member<'_, '_>, budget: &Budget) -> Result<(), Stop> {
            let content = self.0;
            let _ = walk(&content, member.path, budget, self).expect("in memory");
            Ok(())
        }
        fn unread(&mut self, unread: Unread) -> Result<(), Stop> {
            self.1.push(unread);
            Ok(())
        }
    }
    let content = gzip(Some("r.gz"), TEXT);
    let mut quine = Quine(&content, Vec::new());
    let budget = Budget::new(Limits::default(), content.len() as u64);
    let _ = walk(&content.as_slice(), &MemberPath::root(), &budget, &mut quine).expect("in memory");
    assert!(quine.1.iter().any(|unread| unread.reason() == TooDeep));
    assert!(quine.1.iter().all(|unread| unread.path.as_str().len() <= 1024));
}

#[test]
fn a_hundred_thousand_members_take_seconds() {
    let members = (0..60_000).map(|number| ZipMember::new(&number.to_string(), DEFLATE, TEXT)).collect();
    let zip = Zip::new(members).write();
    let many: Vec<String> = (0..100_000).map(|number| number.to_string()).collect();
    let tar = tar(&many.iter().map(|name| (name.as_str(), TEXT)).collect::<Vec<_>>());
    let no_directory = &zip[..find(&zip, b"PK\x01\x02", 0)];
    for (content, members, unread) in [(zip.as_slice(), 60_000, 0), (&tar, 100_000, 0), (no_directory, 60_000, 1)] {
        let start = Instant::now();
        let found = sink(&content, Limits::default(), false);
        assert_eq!((found.members, found.unread.count()), (members, unread));
        assert!(start.elapsed().as_secs() < 30, "took {:?}", start.elapsed());
    }
}

#[test]
fn headers_that_all_claim_the_rest_of_the_file_take_seconds() {
    for method in [STORED, DEFLATE, BZIP2, XZ, ZSTD] {
        let mut member = ZipMember::new("x", method, b"").streamed(true, false);
        member.data = vec![0; 8];
        member.after.clear();
        let zip = Zip::new(vec![member; 20_000]).write();
        let start = Instant::now();
        let found = sink(&&zip[..find(&zip, b"PK\x01\x02", 0)], Limits::default(), false);
        assert!(found.unread.count() > 1);
        assert!(start.elapsed().as_secs() < 30, "method {method} took {:?}", start.elapsed());
    }
}

#[test]
fn a_visitor_that_stops_reading_is_told_what_it_left() {
    struct Impatient(Vec<UnreadReason>);
    impl Visitor for Impatient {
        fn member(&mut self, member: Member<'_, '_>, _: &Budget) -> Result<(), Stop> {
            let Content::Packed(packed) = member.content else { panic!("packed") };
            packed.read_exact(&mut [0; 5]).expect("in memory");
            Ok(())
        }
        fn unread(&mut self, unread: Unread) -> Result<(), Stop> {
            self.0.push(unread.reason());
            Ok(())
        }
    }
    let content = gzip(None, TEXT);
    let mut visitor = Impatient(Vec::new());
    let budget = Budget::new(Limits::default(), 0);
    let walked = walk(&content.as_slice(), &MemberPath::root(), &budget, &mut visitor).expect("in memory");
    assert_eq!((visitor.0, walked.unread), (vec![TooLarge], 1));
}
