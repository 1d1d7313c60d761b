//! What libclamav and its libraries load on first use, loaded in the host: no worker can open a file outside of its scratch.
//!
//! Two kinds: the C library's converters of characters, one module each, which a file may ask for by name; and what a library sets
//! up when the first file of a kind comes along, such as the configuration of OpenSSL or the tables of libxml2.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read, Write};

use lazaret_engine_host::Finished;
use lazaret_engine_protocol::{Content, ScanRequest, ScanVerdict};
use rustix::fs::{MemfdFlags, memfd_create};

/// Where C libraries have their converters.
const CONVERTER_DIRECTORIES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/gconv", // Debian's
    "/usr/lib/aarch64-linux-gnu/gconv",
    "/usr/lib64/gconv",
    "/usr/lib/gconv",
];

/// Of this program, as a sample of programs.
const PROGRAM_BYTES: u64 = 64 << 10;

/// Loads all converters; how many there are. Takes 30 ms, and 10 MB of addresses that all workers share.
pub fn load_converters() -> usize {
    let entries = CONVERTER_DIRECTORIES.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten().flatten();
    let modules = entries.filter_map(|entry| entry.file_name().into_string().ok());
    // A module is called as the encoding that it is for. Those that are not are parts of others.
    modules.filter(|module| module.strip_suffix(".so").is_some_and(keep_converter)).count()
}

/// Opens a converter and never closes it, so that its module stays.
fn keep_converter(encoding: &str) -> bool {
    let Ok(encoding) = CString::new(encoding) else { return false };
    // SAFETY: both texts end in a zero byte; the C library keeps neither. Called in the host, which has one thread.
    let converter = unsafe { libc::iconv_open(c"UTF-16BE".as_ptr(), encoding.as_ptr()) };
    converter as isize != -1
}

/// Scans a sample of each kind that has something to set up.
///
/// # Errors
/// In the engine's words, if it cannot scan at all.
pub fn scan_samples(mut scan: impl FnMut(&File, &ScanRequest) -> Finished) -> Result<(), String> {
    for (kind, content) in samples() {
        let file = file(&content).map_err(|error| format!("no memory for a sample: {error}"))?;
        let request = ScanRequest { id: 0, size: content.len() as u64, content: Content::File, members: false };
        // What it thinks of a sample does not matter, as long as it thinks.
        if let ScanVerdict::Failed { reason, detail } = scan(&file, &request).verdict {
            return Err(format!("a sample of {kind}: {reason:?}, {detail}"));
        }
    }
    Ok(())
}

fn file(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("sample", MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    Ok(file)
}

fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let html = br#"<html><head><meta http-equiv="Content-Type" content="text/html; charset=shift_jis"></head>
        <body><a href="http://www.example.com/">text</a><script>var a = unescape("%61");</script></body></html>"#;
    let xml = br#"<?xml version="1.0" encoding="UTF-8"?><?mso-application progid="Word.Document"?>
        <w:wordDocument xmlns:w="http://schemas.microsoft.com/office/word/2003/wordml"><w:body/></w:wordDocument>"#;
    let mail = b"From: a@example.com\r\nTo: b@example.com\r\nSubject: =?gb18030?B?1tA=?=\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=\"x\"\r\n\r\n--x\r\nContent-Type: text/html; charset=utf-7\r\n\r\n<html>+AGE-</html>\r\n\
        --x\r\nContent-Type: application/octet-stream; name=\"a\"\r\nContent-Transfer-Encoding: base64\r\n\r\ndGV4dA==\r\n--x--\r\n";
    let pdf = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R /OpenAction << /S /JavaScript /JS (a) >> >>\nendobj\n\
        2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\n3 0 obj\n<< /Length 4 >>\nstream\ntext\nendstream\nendobj\n\
        trailer\n<< /Root 1 0 R >>\n%%EOF\n";
    let rtf = br"{\rtf1\ansi{\object\objemb{\*\objdata 01050000020000000800000050616300}}text}";
    // An OLE file of two sectors: a table of sectors, and a directory with its root alone.
    let mut ole = vec![0; 1_536];
    ole[..8].copy_from_slice(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
    ole[24..34].copy_from_slice(b"\x3e\0\x03\0\xfe\xff\x09\0\x06\0");
    ole[44..52].copy_from_slice(b"\x01\0\0\0\x01\0\0\0"); // one table; the directory is sector 1
    ole[57] = 0x10; // smaller streams lie in the root's
    ole[60..76].copy_from_slice(b"\xfe\xff\xff\xff\0\0\0\0\xfe\xff\xff\xff\0\0\0\0");
    ole[80..520].fill(0xff);
    ole[76..80].fill(0); // the table is sector 0
    ole[512..520].copy_from_slice(b"\xfd\xff\xff\xff\xfe\xff\xff\xff");
    ole[520..1_024].fill(0xff);
    ole[1_024..1_043].copy_from_slice(b"R\0o\0o\0t\0 \0E\0n\0t\0r\0y");
    ole[1_088..1_092].copy_from_slice(&[22, 0, 5, 1]);

    let mut program = Vec::new();
    if let Ok(file) = File::open("/proc/self/exe") {
        let _ = file.take(PROGRAM_BYTES).read_to_end(&mut program); // less of a sample is none the worse
    }
    vec![
        ("text", b"text\n".to_vec()),
        ("html", html.to_vec()),
        ("xml", xml.to_vec()),
        ("mail", mail.to_vec()),
        ("pdf", pdf.to_vec()),
        ("rtf", rtf.to_vec()),
        ("ole", ole),
        ("zip", zip(&[("a.html", html), ("[Content_Types].xml", xml), ("a.txt", b"text")])),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x01\x04\0\xfb\xfftext\xc7\xa7\x6b\x1e\x04\0\0\0".to_vec()),
        ("tar", tar("a.html", html)),
        ("program", program),
    ]
}

/// Members as they are. Their checksums are left out: libclamav does not look.
fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut index) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let bytes = u32::try_from(content.len()).expect("small").to_le_bytes();
        let name_bytes = u16::try_from(name.len()).expect("short").to_le_bytes();
        // from the method on, which is «stored»: no time, no checksum, packed and unpacked size, length of the name and no more
        let entry = [&[0; 10], &bytes[..], &bytes, &name_bytes, &[0; 2]].concat();
        let start = u32::try_from(file.len()).expect("small").to_le_bytes();
        index.extend([b"PK\x01\x02\x14\0\x14\0\0\0", &entry[..], &[0; 10], &start, name.as_bytes()].concat());
        file.extend([b"PK\x03\x04\x14\0\0\0", &entry[..], name.as_bytes(), content].concat());
    }
    let count = u16::try_from(members.len()).expect("few").to_le_bytes();
    let (index_bytes, start) = (index.len(), file.len());
    let end = [index_bytes, start].map(|number| u32::try_from(number).expect("small").to_le_bytes()).concat();
    [file, index, b"PK\x05\x06\0\0\0\0".to_vec(), count.to_vec(), count.to_vec(), end, vec![0; 2]].concat()
}

fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[148..156].fill(b' ');
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut file = [&header, content].concat();
    file.resize(file.len().next_multiple_of(512) + 1_024, 0);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_has_converters_and_they_are_found() {
        assert!(load_converters() > 100, "{}", load_converters());
    }

    #[test]
    fn every_sample_is_offered_with_its_size() {
        let mut kinds = 0;
        scan_samples(|file, request| {
            assert_eq!(file.metadata().expect("a file").len(), request.size);
            kinds += 1;
            ScanVerdict::Clean.into()
        })
        .expect("warm");
        assert_eq!(kinds, samples().len());
    }
}
