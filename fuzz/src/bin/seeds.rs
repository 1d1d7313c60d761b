//! Writes the archives that the target `walk` begins with: `seeds FOLDER`.

#[path = "../../../workers/walker/tests/support/archives.rs"]
#[allow(dead_code)] // the tests use all of it
mod archives;

use std::path::Path;
use std::{env, fs, io};

use archives::{BZIP2, DEFLATE, DEFLATE64, LZMA, STORED, XZ, ZSTD, Zip, ZipMember};

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).ok_or_else(|| io::Error::other("usage: seeds FOLDER"))?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    for (index, seed) in seeds().into_iter().enumerate() {
        fs::write(folder.join(format!("seed-{index:02}")), seed)?;
    }
    Ok(())
}

fn seeds() -> Vec<Vec<u8>> {
    let text = b"some content, and some more content".as_slice();
    let methods = [STORED, DEFLATE, DEFLATE64, BZIP2, LZMA, ZSTD, XZ];
    let members: Vec<ZipMember> = methods.iter().map(|method| ZipMember::new("folder/name", *method, text)).collect();
    let mut seeds: Vec<Vec<u8>> = members.iter().map(|member| Zip::new(vec![member.clone()]).write()).collect();
    for member in &members {
        let streamed =
            [(true, false), (false, true)].map(|(magic, wide)| member.clone().streamed(magic, wide)).to_vec();
        let mut zip = Zip::new(streamed);
        seeds.push(zip.write());
        zip.members.iter_mut().for_each(|member| member.is_listed = false);
        seeds.push(zip.write());
    }
    let inner = archives::zip(&[("a", text), ("b", b"")]);
    let tar = archives::tar(&[("inner.zip", &inner), (&"long/".repeat(40), text)]);
    seeds.extend([
        archives::zip_with(&[("wide", text)], zip::write::SimpleFileOptions::default().large_file(true)),
        Zip { prefix: b"#!/bin/sh\n".to_vec(), comment: b"comment".to_vec(), ..Zip::new(members) }.write(),
        [archives::gzip(Some("name"), text), archives::gzip(None, b"")].concat(),
        [archives::bzip2(text), archives::bzip2(text)].concat(),
        [archives::xz(text), vec![0; 4], archives::xz(text)].concat(),
        [b"\x50\x2a\x4d\x18\x02\0\0\0xy".to_vec(), archives::zstd(text), archives::zstd(text)].concat(),
        archives::gzip(None, &tar),
        archives::zip(&[("tar", &tar)]),
        tar,
        [
            archives::tar_member("pax", b'x', b"20 path=folder/name\n11 size=35\n", |_| {}),
            archives::tar_member("x", b'0', text, |_| {}),
            archives::tar_member("sparse", b'S', text, |_| {}),
            archives::tar_end(),
        ]
        .concat(),
        inner,
    ]);
    seeds
}
