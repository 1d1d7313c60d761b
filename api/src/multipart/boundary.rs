//! The boundary between the parts of a form, from the request's `Content-Type`.

use super::Malformed;
use super::head::parameters;

/// RFC 2046.
const BOUNDARY_BYTES_MAX: usize = 70;

/// The boundary of a form; `None` if the body is no form.
///
/// # Errors
/// If it is one of an unreadable boundary.
pub fn boundary(content_type: &str) -> Result<Option<Vec<u8>>, Malformed> {
    let (kind, rest) = content_type.split_once(';').unwrap_or((content_type, ""));
    let kind = kind.trim().to_ascii_lowercase();
    if !kind.starts_with("multipart/") {
        return Ok(None);
    }
    if kind != "multipart/form-data" {
        return Err(Malformed::Encoded);
    }
    let mut found = parameters(rest.as_bytes()).map_err(|_| Malformed::Boundary)?;
    found.retain(|(name, _)| name == "boundary");
    let [(_, boundary)] = found.as_slice() else { return Err(Malformed::Boundary) };
    let usable = (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len())
        && boundary.iter().all(|byte| matches!(byte, b' '..=b'~'))
        && !boundary.ends_with(b" ");
    if usable { Ok(Some(boundary.clone())) } else { Err(Malformed::Boundary) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundary_is_found_as_clients_write_it() {
        for (content_type, expected) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            ("Multipart/Form-Data;boundary=\"a b:c\"", Some("a b:c")),
            ("multipart/form-data; charset=utf-8; BOUNDARY=----WebKitFormBoundaryX", Some("----WebKitFormBoundaryX")),
            ("application/octet-stream", None),
            ("", None),
            ("multipart", None),
        ] {
            let found = boundary(content_type).expect(content_type);
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{content_type}");
        }
    }

    #[test]
    fn a_form_without_a_certain_boundary_is_refused() {
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        for content_type in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"\"",
            "multipart/form-data; boundary=a; boundary=b",
            "multipart/form-data; boundary=\"a",
            "multipart/form-data; boundary=\"a \"",
            "multipart/mixed; boundary=a",
            &long,
        ] {
            assert!(boundary(content_type).is_err(), "{content_type}");
        }
    }
}
