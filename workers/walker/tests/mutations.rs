//! Every cut and every turned bit of small archives: what is called whole is whole, and says the same.

mod support;

use lazaret_walker::{Limits, detect};
use support::archives::*;
use support::{collect, defect_of};

const TEXT: &[u8] = b"some content, and some more content";

/// Archives whose every byte of content has a checksum.
fn archives() -> Vec<(&'static str, Vec<u8>)> {
    let zip_of =
        |method: u16| Zip::new(vec![ZipMember::new("a", method, TEXT), ZipMember::new("b", method, TEXT)]).write();
    let streamed = |method: u16| Zip::new(vec![ZipMember::new("a", method, TEXT).streamed(true, false)]).write();
    vec![
        ("gzip", gzip(Some("name"), TEXT)),
        ("bzip2", bzip2(TEXT)),
        ("xz", xz(TEXT)),
        ("zstd", zstd(TEXT)),
        ("zip, stored", zip_of(STORED)),
        ("zip, deflated", zip_of(DEFLATE)),
        ("zip, deflate64", zip_of(DEFLATE64)),
        ("zip, bzip2", zip_of(BZIP2)),
        ("zip, LZMA", zip_of(LZMA)),
        ("zip, zstd", zip_of(ZSTD)),
        ("zip, xz", zip_of(XZ)),
        ("zip, to a pipe", streamed(DEFLATE)),
    ]
}

#[test]
fn what_is_cut_anywhere_is_never_whole() {
    let tar = tar(&[("a", TEXT), (&"long/".repeat(30), TEXT)]);
    let first_zeros = tar.len() - 512; // one block of them is an end
    let mut archives: Vec<_> = archives().into_iter().map(|(name, archive)| (name, archive.len(), archive)).collect();
    archives.push(("tar", first_zeros, tar));
    for (name, whole, archive) in archives {
        for length in 0..whole {
            let cut = &archive[..length];
            if detect(&cut).expect("in memory").is_some() {
                assert!(defect_of(cut).is_some(), "{name}, cut to {length} of {} bytes", archive.len());
            }
        }
        assert_eq!(defect_of(&archive), None, "{name}");
    }
}

#[test]
fn a_turned_bit_is_told_or_changes_nothing() {
    for (name, archive) in archives() {
        let contents = |content: &[u8]| -> Vec<Vec<u8>> {
            collect(content, Limits::default()).members.into_iter().map(|(_, bytes)| bytes).collect()
        };
        let expected = contents(&archive);
        for at in 0..archive.len() {
            for bit in 0..8 {
                let mut turned = archive.clone();
                turned[at] ^= 1 << bit;
                if detect(&turned.as_slice()).expect("in memory").is_some() && defect_of(&turned).is_none() {
                    assert_eq!(contents(&turned), expected, "{name}, bit {bit} of byte {at}");
                }
            }
        }
    }
}
