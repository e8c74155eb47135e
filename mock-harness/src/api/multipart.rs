//! Bodies of `multipart/form-data`, as far as uploads of secret files need them.
//!
//! Source: RFC 7578, RFC 2046 section 5.1.

use std::collections::BTreeMap;

/// The parts of a body, by name, as bytes; of a name given twice the last counts. None if the body is not of that form, or not
/// whole.
pub(super) fn read_parts<'a>(content_type: &str, body: &'a [u8]) -> Option<BTreeMap<String, &'a [u8]>> {
    let boundary = format!("--{}", boundary(content_type)?);
    let mut parts = BTreeMap::new();
    let (_, mut rest) = split_once(body, boundary.as_bytes())?;
    let boundary = format!("\r\n{boundary}");
    loop {
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        let (part, after) = split_once(rest.strip_prefix(b"\r\n")?, boundary.as_bytes())?;
        let (head, content) = split_once(part, b"\r\n\r\n")?;
        parts.insert(name(std::str::from_utf8(head).ok()?)?, content);
        rest = after;
    }
}

fn boundary(content_type: &str) -> Option<&str> {
    let mut pieces = content_type.split(';').map(str::trim);
    pieces.next().filter(|kind| kind.eq_ignore_ascii_case("multipart/form-data"))?;
    let value = pieces.find_map(|piece| parameter(piece, "boundary"))?;
    (!value.is_empty()).then_some(value)
}

/// The `name` of a part's `Content-Disposition`.
fn name(head: &str) -> Option<String> {
    let line = head.split("\r\n").find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    line.split(';').find_map(|piece| parameter(piece.trim(), "name")).map(String::from)
}

fn parameter<'a>(piece: &'a str, name: &str) -> Option<&'a str> {
    let (key, value) = piece.split_once('=')?;
    key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
}

fn split_once<'a>(text: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let place = text.windows(at.len()).position(|window| window == at)?;
    Some((&text[..place], &text[place + at.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_by_name() {
        let body = "preamble\r\n--XX\r\nContent-Disposition: form-data; name=\"spec\"\r\n\r\n{\"a\":1}\r\n--XX\r\n\
                    content-disposition: form-data; name=\"file\"; filename=\"k.pem\"\r\nContent-Type: text/plain\r\n\r\n\
                    line 1\r\n--X\r\nline 2\r\n--XX--\r\n";
        let parts = read_parts("multipart/form-data; boundary=\"XX\"", body.as_bytes()).unwrap();
        assert_eq!(parts["spec"], b"{\"a\":1}");
        assert_eq!(parts["file"], b"line 1\r\n--X\r\nline 2");
        for (kind, body) in [
            ("application/json", body),
            ("multipart/form-data", body),
            ("multipart/form-data; boundary=", body),
            ("multipart/form-data; boundary=YY", body),
            ("multipart/form-data; boundary=XX", &body[..body.len() - 8]),
            ("multipart/form-data; boundary=XX", "--XX\r\nno head\r\n--XX--"),
            ("multipart/form-data; boundary=XX", ""),
        ] {
            assert_eq!(read_parts(kind, body.as_bytes()), None, "{kind} {body}");
        }
    }
}
