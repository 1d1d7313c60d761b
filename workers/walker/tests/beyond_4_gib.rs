//! Archives beyond 2 and 4 GiB, and those that ask for much memory. A process of its own, since it looks at its own memory.

mod support;

use std::io;
use std::time::Instant;

use lazaret_walker::{
    Budget, Content, Limits, Member, MemberPath, Source, Stop, Unread, UnreadReason, Visitor, defect, walk,
};
use support::archives::*;

const TEXT: &[u8] = b"some content, and some more content";
const GIB: u64 = 1 << 30;

/// Some bytes here and there, and zeros between them.
struct Sparse {
    parts: Vec<(u64, Vec<u8>)>,
    bytes: u64,
}

impl Source for Sparse {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = buffer.len().min(usize::try_from(self.bytes.saturating_sub(offset)).expect("64 bits"));
        let buffer = &mut buffer[..count];
        buffer.fill(0);
        let end = offset + count as u64;
        for (start, bytes) in &self.parts {
            let (from, to) = ((*start).max(offset), (start + bytes.len() as u64).min(end));
            if from < to {
                let part =
                    usize::try_from(from - start).expect("64 bits")..usize::try_from(to - start).expect("64 bits");
                let at = usize::try_from(from - offset).expect("64 bits");
                buffer[at..at + part.len()].copy_from_slice(&bytes[part]);
            }
        }
        Ok(count)
    }
}

#[derive(Default)]
struct Sizes {
    members: Vec<(String, u64)>,
    unread: Vec<UnreadReason>,
}

impl Visitor for Sizes {
    fn member(&mut self, member: Member<'_, '_>, _: &Budget) -> Result<(), Stop> {
        let bytes = match member.content {
            Content::Stored(section) => section.len(),
            Content::Packed(packed) => io::copy(packed, &mut io::sink()).expect("in memory"),
        };
        self.members.push((member.path.to_string(), bytes));
        Ok(())
    }

    fn unread(&mut self, unread: Unread) -> Result<(), Stop> {
        self.unread.push(unread.reason());
        Ok(())
    }
}

fn sizes(content: &dyn Source) -> Sizes {
    let mut sizes = Sizes::default();
    let budget = Budget::new(Limits::default(), content.len());
    let _ = walk(content, &MemberPath::root(), &budget, &mut sizes).expect("in memory");
    sizes
}

fn zip64_extra(numbers: &[u64]) -> Vec<u8> {
    let length = u16::try_from(numbers.len() * 8).expect("short");
    let mut extra = [[1, 0], length.to_le_bytes()].concat();
    extra.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    extra
}

/// A zip whose first member has 4.5 GiB, so that the second one and the directory are beyond 32 bits.
fn large_zip() -> Sparse {
    let bytes = 9 * GIB / 2;
    let mut zip = Zip::new(vec![ZipMember::new("large", STORED, b""), ZipMember::new("small", DEFLATE, TEXT)]);
    let [large, small] = zip.members.as_mut_slice() else { panic!("two") };
    (large.local.packed, large.local.unpacked, large.local.crc) = (u32::MAX, u32::MAX, 0x1234_5678);
    large.central = large.local.clone();
    large.local.extra = zip64_extra(&[bytes, bytes]);
    large.central.extra = large.local.extra.clone();
    let header_bytes = 30 + "large".len() + large.local.extra.len();
    let second = header_bytes as u64 + bytes;
    small.central.extra = zip64_extra(&[second]);

    let written = zip.write();
    let central = find(&written, b"PK\x01\x02", 0);
    let end = find(&written, b"PK\x05\x06", 0);
    let mut tail = written[header_bytes..end].to_vec();
    let small_entry = find(&tail, b"PK\x01\x02", 1);
    tail[small_entry + 42..small_entry + 46].fill(0xff);
    let directory = second + (central - header_bytes) as u64;
    let record = second + tail.len() as u64;
    tail.extend(b"PK\x06\x06");
    tail.extend([44_u64.to_le_bytes(), [45, 0, 45, 0, 0, 0, 0, 0], [0; 8]].concat()[..20].iter());
    for number in [2, 2, (end - central) as u64, directory] {
        tail.extend(number.to_le_bytes());
    }
    tail.extend([&b"PK\x06\x07\0\0\0\0"[..], &record.to_le_bytes(), &[1, 0, 0, 0]].concat());
    tail.extend([&b"PK\x05\x06\0\0\0\0"[..], &[0xff; 12], &[0, 0]].concat());
    Sparse { bytes: second + tail.len() as u64, parts: vec![(0, written[..header_bytes].to_vec()), (second, tail)] }
}

#[test]
fn zips_beyond_four_gibibytes() {
    let zip = large_zip();
    let start = Instant::now();
    let found = sizes(&zip);
    let members = [("large".to_owned(), 9 * GIB / 2), ("small".to_owned(), TEXT.len() as u64)];
    assert_eq!(found.members, members);
    assert_eq!(found.unread, [UnreadReason::Damaged], "the checksum of the first is made up, and looked at");

    // Without the directory, by the headers.
    let mut cut = zip;
    cut.bytes -= 200;
    let found = sizes(&cut);
    assert_eq!(found.members, members);
    assert_eq!(found.unread[0], UnreadReason::Damaged);
    assert!(start.elapsed().as_secs() < 60, "took {:?}", start.elapsed());
}

#[test]
fn tars_beyond_four_gibibytes() {
    let bytes = 5 * GIB;
    let large = tar_member("large", b'0', b"", |header| {
        header[124] = 0x80;
        header[125..136].copy_from_slice(&[&[0; 3], &bytes.to_be_bytes()[..]].concat());
    });
    let pax = [
        tar_member("x", b'x', format!("19 size={bytes}\n").as_bytes(), |_| {}),
        tar_member("large", b'0', b"", |_| {}),
    ]
    .concat();
    let rest = [tar_member("small", b'0', TEXT, |_| {}), tar_end()].concat();
    for head in [large, pax] {
        let second = head.len() as u64 + bytes;
        let tar = Sparse { bytes: second + rest.len() as u64, parts: vec![(0, head), (second, rest.clone())] };
        let found = sizes(&tar);
        assert_eq!(found.members, [("large".to_owned(), bytes), ("small".to_owned(), TEXT.len() as u64)]);
        assert_eq!(found.unread, []);
        assert_eq!(defect(&tar, &Limits::default()).expect("in memory"), None);
    }
}

/// What the kernel says of this process's memory, in bytes.
fn memory_bytes(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

#[test]
fn memory_is_bounded_whatever_they_ask_for() {
    // Enough content to fill any dictionary, made without having it at once.
    let mut packed = liblzma::write::XzEncoder::new_stream(Vec::new(), {
        let mut options = liblzma::stream::LzmaOptions::new_preset(0).expect("a preset");
        options.dict_size(64 << 20).match_finder(liblzma::stream::MatchFinder::HashChain3);
        let mut filters = liblzma::stream::Filters::new();
        filters.lzma2(&options);
        liblzma::stream::Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc32).expect("options")
    });
    for _ in 0..100 {
        io::Write::write_all(&mut packed, &[7; 1 << 20]).expect("in memory");
    }
    let xz = packed.finish().expect("in memory");
    // 64 MiB of window, and 100 MiB of blocks of one byte each, repeated.
    let blocks: Vec<u8> = (0..800_u32).flat_map(|index| [u8::from(index == 799) | 2, 0, 0x10, b'x']).collect();
    let zstd = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x80][..], &blocks].concat();
    let many = {
        let written = Zip::new(vec![ZipMember::new("", STORED, b"")]).write();
        let entry = &written[30..written.len() - 22];
        let directory = entry.repeat(1_000_000);
        let length = u32::try_from(directory.len()).expect("short");
        [
            &written[..30],
            &directory,
            b"PK\x05\x06\0\0\0\0",
            &[0x40, 0x42, 0x40, 0x42],
            &length.to_le_bytes(),
            &[30, 0, 0, 0, 0, 0],
        ]
        .concat()
    };
    std::fs::write("/proc/self/clear_refs", "5").expect("the peak begins anew");
    let before = memory_bytes("VmRSS:");
    for (content, unpacked) in [(&xz, 100 << 20), (&zstd, 800 * (128 << 10))] {
        let found = sizes(&content.as_slice());
        assert_eq!((found.members[0].1, found.unread), (unpacked, Vec::new()));
    }
    let found = defect(&many.as_slice(), &Limits::default()).expect("in memory").expect("a defect");
    assert_eq!(found.reason(), UnreadReason::Damaged);
    let grown = memory_bytes("VmHWM:").saturating_sub(before) >> 20;
    // The dictionary of the larger, 16 bytes for each of a million members, and what the others in this process take.
    assert!((60..96).contains(&grown), "{grown} MiB");
}
