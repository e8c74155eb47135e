//! The platform's parser of `Www-Authenticate`, which is strict, and understands less than registries may write.
//!
//! Source: facts/harness B7, "Challenge parser".

/// A challenge that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Understood {
    pub(super) realm: String,
    pub(super) service: String,
    pub(super) scope: Option<String>,
}

/// Reads a header: two words, the first exactly `Bearer`, the second `key="value"` pairs without blanks, with the keys
/// realm and service and at most scope beside them. A second `=` in a value cuts it off.
pub(super) fn understand(header: &str) -> Option<Understood> {
    let words: Vec<_> = header.split(' ').collect();
    let ["Bearer", pairs] = words[..] else { return None };
    let (mut realm, mut service, mut scope) = (None, None, None);
    for pair in pairs.split(',') {
        let mut parts = pair.split('=');
        let key = parts.next()?;
        let value = String::from(parts.next()?.trim_matches('"'));
        let slot = match key {
            "realm" => &mut realm,
            "service" => &mut service,
            "scope" => &mut scope,
            _ => return None,
        };
        *slot = Some(value);
    }
    Some(Understood { realm: realm?, service: service?, scope })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expect: Option<(&str, &str, Option<&str>)>) {
        let understood = understand(header);
        let told = understood
            .as_ref()
            .map(|Understood { realm, service, scope }| (realm.as_str(), service.as_str(), scope.as_deref()));
        assert_eq!(told, expect, "{header}");
    }

    #[test]
    fn only_compact_bearer_challenges_are_understood() {
        const REALM: &str = "https://auth.docker.io/token";
        check(
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io""#,
            Some((REALM, "registry.docker.io", None)),
        );
        check(
            r#"Bearer realm="https://auth.docker.io/token",service="s",scope="repository:x:pull""#,
            Some((REALM, "s", Some("repository:x:pull"))),
        );
        check(r#"Bearer realm="https://a/t",service="a=b""#, Some(("https://a/t", "a", None)));
        for header in [
            r#"Bearer realm="https://a/t", service="s""#,
            r#"bearer realm="https://a/t",service="s""#,
            r#"Basic realm="Registry""#,
            r#"Bearer realm="https://a/t",service="s",error="invalid_token""#,
            r#"Bearer realm="https://a/t""#,
            r#"Bearer realm="https://a/t",service="s",scope="repository:x:pull,push""#,
            "Bearer",
            "",
        ] {
            check(header, None);
        }
    }
}
