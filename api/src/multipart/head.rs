//! What a part says of itself. Hostile text, read the way the senders of such forms write it.

use percent_encoding::percent_decode;

use super::Malformed;

/// Senders write two or three.
const HEADERS_MAX: usize = 16;

/// The head of a part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartHead {
    /// Of the form's field.
    pub name: String,
    /// With it the part is a file, even where it is empty.
    pub file_name: Option<String>,
}

impl PartHead {
    /// Reads the lines between a boundary and the empty line.
    ///
    /// # Errors
    /// If they can't be read, or if the body is not what it stands for.
    pub fn read(block: &[u8]) -> Result<Self, Malformed> {
        let mut head = None;
        let mut count = 0;
        for line in lines(block) {
            count += 1;
            if count > HEADERS_MAX {
                return Err(Malformed::HeadTooLarge);
            }
            if line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
                return Err(Malformed::Head);
            }
            let colon = memchr::memchr(b':', line).ok_or(Malformed::Head)?;
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            // a line that begins with a space goes on with the one before, which no sender of files does
            if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
                return Err(Malformed::Head);
            }
            match name.to_ascii_lowercase().as_slice() {
                b"content-disposition" if head.is_some() => return Err(Malformed::Ambiguous),
                b"content-disposition" => head = Some(disposition(value)?),
                b"content-transfer-encoding" if !is_plain(value) => return Err(Malformed::Encoded),
                b"content-encoding" if !value.eq_ignore_ascii_case(b"identity") => return Err(Malformed::Encoded),
                b"content-type" if starts_with(value, b"multipart/") => return Err(Malformed::Encoded),
                _ => {}
            }
        }
        Ok(head.unwrap_or_default())
    }
}

/// Lines end with CRLF, and with nothing less.
fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(block);
    let lines = std::iter::from_fn(move || {
        let block = rest?;
        let end = memchr::memmem::find(block, b"\r\n");
        rest = end.map(|end| &block[end + 2..]);
        Some(&block[..end.unwrap_or(block.len())])
    });
    lines.filter(|line| !line.is_empty())
}

/// The bytes of the body are the bytes of the file.
fn is_plain(encoding: &[u8]) -> bool {
    [&b"binary"[..], b"8bit", b"7bit"].iter().any(|plain| encoding.eq_ignore_ascii_case(plain))
}

fn starts_with(value: &[u8], prefix: &[u8]) -> bool {
    value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// `form-data; name="documents"; filename="my_file"`
fn disposition(value: &[u8]) -> Result<PartHead, Malformed> {
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    let (mut name, mut plain, mut extended) = (None, None, None);
    for (parameter, value) in parameters(&value[end..])? {
        let slot = match parameter.as_str() {
            "name" => &mut name,
            "filename" => &mut plain,
            "filename*" => &mut extended,
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(Malformed::Ambiguous);
        }
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let file_name = extended.map(|value| extended_text(&value)).or(plain.map(text));
    Ok(PartHead { name: name.map(text).unwrap_or_default(), file_name })
}

/// RFC 8187: `UTF-8''my%20file`. What is not of that form is taken as it is: the part is a file all the same.
fn extended_text(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let mut parts = text.splitn(3, '\'');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(_), Some(encoded)) => percent_decode(encoded.as_bytes()).decode_utf8_lossy().into_owned(),
        _ => text.into_owned(),
    }
}

/// `; name=value; name="quoted value"`: names in lower case, values without their quotes.
///
/// # Errors
/// If a value runs to no end, or a parameter has none.
pub fn parameters(mut rest: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Malformed> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        while let Some(after) = rest.strip_prefix(b";") {
            rest = after.trim_ascii_start();
        }
        if rest.is_empty() {
            return Ok(found);
        }
        let equals = memchr::memchr(b'=', rest).ok_or(Malformed::Head)?;
        let name = rest[..equals].trim_ascii();
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(Malformed::Head);
        }
        let (value, after) = value(rest[equals + 1..].trim_ascii_start())?;
        found.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value));
        rest = after.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b";") {
            return Err(Malformed::Head);
        }
    }
}

fn value(rest: &[u8]) -> Result<(Vec<u8>, &[u8]), Malformed> {
    let Some(quoted) = rest.strip_prefix(b"\"") else {
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        return Ok((rest[..end].trim_ascii_end().to_vec(), &rest[end..]));
    };
    let mut value = Vec::new();
    let mut bytes = quoted.iter().enumerate();
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'"' => return Ok((value, &quoted[index + 1..])),
            // only these two are escapes: old browsers send `C:\file` without any
            b'\\' if matches!(quoted.get(index + 1), Some(b'"' | b'\\')) => {
                value.extend(bytes.next().map(|(_, escaped)| *escaped));
            }
            _ => value.push(*byte),
        }
    }
    Err(Malformed::Head)
}

/// RFC 9110's `tchar`.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(disposition: &str) -> Result<PartHead, Malformed> {
        PartHead::read(format!("Content-Disposition: {disposition}\r\nContent-Type: text/plain").as_bytes())
    }

    #[test]
    fn names_are_read_as_clients_write_them() {
        for (disposition, name, file_name) in [
            (r#"form-data; name="documents"; filename="my_file""#, "documents", Some("my_file")),
            (r#"form-data; name="composite""#, "composite", None),
            // .NET
            ("form-data; name=file; filename=file.bin; filename*=utf-8''file.bin", "file", Some("file.bin")),
            ("form-data; name=f; filename*=UTF-8''na%C3%AFve%20%E2%82%AC", "f", Some("naïve €")),
            // browsers and curl
            (r#"form-data; name="f"; filename="a%22b""#, "f", Some("a%22b")),
            (r#"form-data; name="f"; filename="a\"b\\c""#, "f", Some(r#"a"b\c"#)),
            (r#"form-data; name="f"; filename="C:\dir\file""#, "f", Some(r"C:\dir\file")),
            (r#"form-data; name="f"; filename="a; b=c""#, "f", Some("a; b=c")),
            (r#"FORM-DATA;NAME="f";FileName="x" ; "#, "f", Some("x")),
            (r#"form-data; name="f"; filename="""#, "f", Some("")),
            (r#"attachment; filename="../../etc/passwd""#, "", Some("../../etc/passwd")),
        ] {
            let expected = PartHead { name: name.into(), file_name: file_name.map(str::to_owned) };
            assert_eq!(read(disposition), Ok(expected), "{disposition}");
        }
        assert_eq!(PartHead::read(b""), Ok(PartHead::default()));
    }

    #[test]
    fn bytes_that_are_no_utf_8_are_a_name_still() {
        let head =
            PartHead::read(b"Content-Disposition: form-data; name=\"f\"; filename=\"\xff\xfe\"").expect("a head");
        assert_eq!(head.file_name.as_deref(), Some("\u{fffd}\u{fffd}"));
    }

    #[test]
    fn what_could_hide_a_file_is_refused() {
        for (disposition, expected) in [
            (r#"form-data; filename="a"; filename="b""#, Malformed::Ambiguous),
            (r#"form-data; name="a"; name="b""#, Malformed::Ambiguous),
            (r#"form-data; filename="a"#, Malformed::Head),
            (r#"form-data; filename"#, Malformed::Head),
            (r#"form-data; filename="a"x"#, Malformed::Head),
        ] {
            assert_eq!(read(disposition), Err(expected), "{disposition}");
        }
        for (block, expected) in [
            ("Content-Disposition: form-data\r\ncontent-disposition: form-data; filename=a", Malformed::Ambiguous),
            ("Content-Disposition: form-data;\r\n filename=a", Malformed::Head),
            ("no colon", Malformed::Head),
            ("X: a\nContent-Disposition: form-data; filename=a", Malformed::Head),
            (": empty", Malformed::Head),
            ("Content-Transfer-Encoding: base64", Malformed::Encoded),
            ("Content-Encoding: gzip", Malformed::Encoded),
            ("Content-Type: multipart/mixed; boundary=b", Malformed::Encoded),
        ] {
            assert_eq!(PartHead::read(block.as_bytes()), Err(expected), "{block}");
        }
        let many = "X-A: b\r\n".repeat(HEADERS_MAX + 1);
        assert_eq!(PartHead::read(many.as_bytes()), Err(Malformed::HeadTooLarge));
        assert!(PartHead::read(b"Content-Transfer-Encoding: BINARY\r\nContent-Encoding: identity").is_ok());
    }
}
