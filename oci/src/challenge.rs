//! The `WWW-Authenticate` header: which proof a registry asks for, and where a token is to be had.
//!
//! Reading is as forgiving as clients are, since a header that cannot be read is simply no
//! challenge. What the scope text means is [`crate::Scope`]'s affair; it stays text here because
//! registries send texts that are no scope.
//!
//! Source: RFC 9110, "WWW-Authenticate"; Docker token specification, "How to authenticate".

use std::fmt;

/// One challenge of a `WWW-Authenticate` header.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Challenge {
    /// User name and password with every request.
    Basic {
        /// What the password is for; empty if the header does not say.
        realm: String,
    },
    /// A token from the token service.
    Bearer {
        /// The URL of the token service.
        realm: String,
        /// The name of the registry at the token service.
        service: Option<String>,
        /// What the request needs, space separated.
        scope: Option<String>,
        /// What is wrong with the token that was sent: `invalid_token` or `insufficient_scope`.
        error: Option<String>,
    },
    /// Another scheme, or a `Bearer` without realm, which no client can follow.
    Other {
        /// The scheme as it was written.
        scheme: String,
    },
}

impl Challenge {
    /// A bearer challenge with neither scope nor error, as `/v2/` answers.
    pub fn bearer(realm: impl Into<String>, service: impl Into<String>) -> Challenge {
        Challenge::Bearer { realm: realm.into(), service: Some(service.into()), scope: None, error: None }
    }

    /// Every challenge in one header value, in order.
    ///
    /// Takes several challenges on one line, any case of scheme and parameter names, blanks around
    /// commas and `=`, values with and without quotes, and commas and escaped quotes within them.
    /// Unknown parameters are ignored.
    pub fn parse_all(header: &str) -> Vec<Challenge> {
        let mut reader = Reader { rest: header };
        std::iter::from_fn(|| reader.challenge()).collect()
    }

    fn compose(scheme: &str, parameters: &[(&str, String)]) -> Challenge {
        let get = |wanted: &str| {
            let found = parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.clone())
        };
        if scheme.eq_ignore_ascii_case("basic") {
            return Challenge::Basic { realm: get("realm").unwrap_or_default() };
        }
        match get("realm") {
            Some(realm) if scheme.eq_ignore_ascii_case("bearer") => {
                Challenge::Bearer { realm, service: get("service"), scope: get("scope"), error: get("error") }
            }
            _ => Challenge::Other { scheme: scheme.to_owned() },
        }
    }
}

/// As registries write it: quoted values, commas without blanks.
impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Challenge::Basic { realm } => write!(f, "Basic realm={}", Quoted(realm)),
            Challenge::Bearer { realm, service, scope, error } => {
                write!(f, "Bearer realm={}", Quoted(realm))?;
                for (name, value) in [("service", service), ("scope", scope), ("error", error)] {
                    if let Some(value) = value {
                        write!(f, ",{name}={}", Quoted(value))?;
                    }
                }
                Ok(())
            }
            Challenge::Other { scheme } => f.write_str(scheme),
        }
    }
}

/// A value as a quoted string of RFC 9110.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// Reads a header from its front.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// The next challenge: a scheme, then either one token68 or parameters.
    fn challenge(&mut self) -> Option<Challenge> {
        let scheme = loop {
            self.skip(|c| is_blank(c) || c == ',');
            match self.take(is_token_char) {
                "" => self.rest = skip_one(self.rest)?,
                scheme => break scheme,
            }
        };
        self.skip_token68();
        let mut parameters = Vec::new();
        while let Some(parameter) = self.parameter() {
            parameters.push(parameter);
        }
        Some(Challenge::compose(scheme, &parameters))
    }

    /// The next `name=value`; nothing is taken when a new scheme stands there instead.
    fn parameter(&mut self) -> Option<(&'a str, String)> {
        let before = self.rest;
        self.skip(|c| is_blank(c) || c == ',');
        let name = self.take(is_token_char);
        self.skip(is_blank);
        match self.rest.strip_prefix('=') {
            Some(rest) if !name.is_empty() => self.rest = rest,
            _ => {
                self.rest = before;
                return None;
            }
        }
        self.skip(is_blank);
        let value = match self.rest.strip_prefix('"') {
            Some(rest) => {
                self.rest = rest;
                self.quoted()
            }
            // Strictly a token; URLs without quotes are seen in the field.
            None => self.take(|c| !is_blank(c) && c != ',').to_owned(),
        };
        Some((name, value))
    }

    /// The rest of a quoted string, unescaped; one that does not end takes everything.
    fn quoted(&mut self) -> String {
        let mut value = String::new();
        let mut chars = self.rest.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => value.extend(chars.next()),
                _ => value.push(c),
            }
        }
        self.rest = chars.as_str();
        value
    }

    /// Skips what `Negotiate` and others carry instead of parameters: one base64-like word, alone
    /// up to the next comma.
    fn skip_token68(&mut self) {
        let before = self.rest;
        self.skip(is_blank);
        let word = self.take(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c));
        self.skip(|c| c == '=');
        self.skip(is_blank);
        if word.is_empty() || !(self.rest.is_empty() || self.rest.starts_with(',')) {
            self.rest = before;
        }
    }

    fn skip(&mut self, matches: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(matches);
    }

    fn take(&mut self, matches: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest.trim_start_matches(matches);
        let taken = &self.rest[..self.rest.len() - rest.len()];
        self.rest = rest;
        taken
    }
}

/// Everything after the first character; `None` at the end.
fn skip_one(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().map(|_| chars.as_str())
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Challenges are printed one after the other, with ` | ` between.
    fn check(header: &str, expect: &str) {
        let printed: Vec<String> = Challenge::parse_all(header).iter().map(Challenge::to_string).collect();
        assert_eq!(printed.join(" | "), expect, "for {header}");
    }

    #[test]
    fn docker_hub_prints_as_it_came() {
        let whole = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push",error="invalid_token""#;
        check(whole, whole);
        let ping = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io""#;
        check(ping, ping);
        assert_eq!(Challenge::bearer("https://auth.docker.io/token", "registry.docker.io").to_string(), ping);
    }

    #[test]
    fn several_challenges_share_a_line() {
        check(r#"Basic realm="r", Bearer realm="t",service="s""#, r#"Basic realm="r" | Bearer realm="t",service="s""#);
        check(
            r#"Bearer realm="t" , scope="a,b" ,Basic realm="r",Negotiate"#,
            r#"Bearer realm="t",scope="a,b" | Basic realm="r" | Negotiate"#,
        );
        check(r#"Negotiate YII/+==, Basic realm="r""#, r#"Negotiate | Basic realm="r""#);
    }

    #[test]
    fn the_ways_of_the_field_are_understood() {
        check(r#"bearer  REALM = "t" ,  Service="s""#, r#"Bearer realm="t",service="s""#);
        check(r#"BASIC realm="a \"b\" \\ c""#, r#"Basic realm="a \"b\" \\ c""#);
        check("Bearer realm=https://r.io/token,service=s", r#"Bearer realm="https://r.io/token",service="s""#);
        check(r#"Bearer realm="t",nonce="1,2",error="e""#, r#"Bearer realm="t",error="e""#);
        check(r#"Basic realm="open"#, r#"Basic realm="open""#);
        check("Basic", r#"Basic realm="""#);
        check("Basic realm=", r#"Basic realm="""#);
        check(r#"Bearer error="invalid_token""#, "Bearer");
        check("", "");
        check(" , ,", "");
        check("\u{e9} \"= Basic", r#"Basic realm="""#);
    }

    fn challenge() -> impl Strategy<Value = Challenge> {
        let part = || prop::option::of(".{0,12}");
        prop_oneof![
            ".{0,12}".prop_map(|realm| Challenge::Basic { realm }),
            (".{0,12}", part(), part(), part()).prop_map(|(realm, service, scope, error)| Challenge::Bearer {
                realm,
                service,
                scope,
                error
            }),
            Just(Challenge::Other { scheme: "Negotiate".to_owned() }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(challenges in prop::collection::vec(challenge(), 0..4)) {
            let printed: Vec<String> = challenges.iter().map(Challenge::to_string).collect();
            prop_assert_eq!(Challenge::parse_all(&printed.join(", ")), challenges);
        }

        #[test]
        fn no_header_panics(header in "[ab ,=\"\\\\]{0,20}|.*") {
            let _ = Challenge::parse_all(&header);
        }
    }
}
