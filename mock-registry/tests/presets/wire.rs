//! One request over a socket, and the bytes that come back.

use std::{fmt, fmt::Write as _};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mock_registry::MockRegistry;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// What is asked for.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status_line: String,
    /// In their order, as they were written.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// How lines end.
    line_end: &'static str,
}

impl Asked {
    pub(crate) fn get(host: &str, path: &str) -> Self {
        Self { method: "GET".into(), host: host.into(), path: path.into(), authorization: None }
    }
}

/// Asks on a connection of its own, and reads as much as the head says, or until the connection ends. To HEAD, there is no more
/// than a head.
pub(crate) async fn exchange(registry: &MockRegistry, asked: &Asked) -> Answer {
    let Asked { method, host, path, authorization } = asked;
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
    if let Some(authorization) = authorization {
        let _ = write!(request, "Authorization: {authorization}\r\n");
    }
    if method == "POST" || method == "PUT" {
        request += "Content-Length: 0\r\n";
    }
    request += "\r\n";
    let mut socket = TcpStream::connect(registry.address()).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    loop {
        if let Some(answer) = parse(&read) {
            let length = answer.header("content-length").parse::<usize>().ok();
            if method == "HEAD" || length.is_some_and(|length| answer.body.len() >= length) {
                return answer;
            }
        }
        if socket.read_buf(&mut read).await.unwrap() == 0 {
            return parse(&read).unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(&read)));
        }
    }
}

fn parse(read: &[u8]) -> Option<Answer> {
    let find = |end: &str| read.windows(end.len()).position(|bytes| bytes == end.as_bytes());
    let (line_end, at, n_bytes) = match (find("\r\n\r\n"), find("\n\n")) {
        (Some(at), _) => ("\r\n", at, 4),
        (None, Some(at)) => ("\n", at, 2),
        (None, None) => return None,
    };
    let head = String::from_utf8_lossy(&read[..at]).into_owned();
    let mut lines = head.split(line_end).map(str::to_owned);
    let status_line = lines.next()?;
    let headers =
        lines.filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())));
    Some(Answer { status_line, headers: headers.collect(), body: read[at + n_bytes..].to_vec(), line_end })
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// The same with the claims of its token in place of the token, which nobody can read.
    pub(crate) fn without_token(&self) -> String {
        let Ok(Value::Object(mut body)) = serde_json::from_slice(&self.body) else { return self.to_string() };
        let mut claims = None;
        for field in ["token", "access_token"] {
            let Some(token) = body.get(field).and_then(Value::as_str).map(str::to_owned) else { continue };
            let parts: Vec<_> = token.split('.').collect();
            body[field] = match parts[..] {
                [_, middle, _] => {
                    let read: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(middle).unwrap()).unwrap();
                    claims = Some(read);
                    "a JWT".into()
                }
                _ => format!("{} letters", token.len()).into(),
            };
        }
        let claims = claims.map(|claims| format!("claims: {claims}\n")).unwrap_or_default();
        format!("{}body: {}\n{claims}", self.head(), Value::Object(body))
    }

    /// The same without its body, which is the made-up manifest.
    pub(crate) fn without_body(&self) -> String {
        format!("{}body: {} bytes\n", self.head(), self.body.len())
    }

    /// Status and headers. The moment and the length of what is redacted are left out.
    fn head(&self) -> String {
        let mut head = format!("{}\n", self.status_line);
        for (name, value) in self.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("date")) {
            let _ = writeln!(head, "{name}: {value}");
        }
        if self.line_end == "\n" {
            head += "(lines end with a bare line feed)\n";
        }
        head
    }
}

/// Status, headers, and the body with its line ends.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}body: {:?}", self.head(), String::from_utf8_lossy(&self.body))
    }
}
