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
/// realm and service and at most scope beside them. The first and the last character of a value are dropped, whatever
/// they are, and a second `=` in a value cuts it off before that.
pub(super) fn understand(header: &str) -> Option<Understood> {
    let ["Bearer", pairs] = split(header, ' ')[..] else { return None };
    let (mut realm, mut service, mut scope) = (None, None, None);
    for pair in split(pairs, ',') {
        let parts = split(pair, '=');
        let value = parts.get(1)?;
        let mut letters = value.chars();
        letters.next()?;
        letters.next_back()?;
        let slot = match *parts.first()? {
            "realm" => &mut realm,
            "service" => &mut service,
            "scope" => &mut scope,
            _ => return None,
        };
        if slot.replace(String::from(letters.as_str())).is_some() {
            return None;
        }
    }
    Some(Understood { realm: realm?, service: service?, scope })
}

/// The parts between `separator`s, without empty ones at the end.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts: Vec<_> = text.split(separator).collect();
    while parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        check(r#"Bearer service="s",realm="https://a/t","#, Some(("https://a/t", "s", None)));
        check(r#"Bearer realm="https://a/t",service="s" "#, Some(("https://a/t", "s", None)));
        for header in [
            r#"Bearer realm="https://a/t", service="s""#,
            r#" Bearer realm="https://a/t",service="s""#,
            r#"bearer realm="https://a/t",service="s""#,
            r#"Basic realm="Registry""#,
            r#"Bearer realm="https://a/t",service="s",error="invalid_token""#,
            r#"Bearer realm="https://a/t""#,
            r#"Bearer realm="https://a/t",service="s",service="s""#,
            r#"Bearer realm="https://a/t",service="s",scope="repository:x:pull,push""#,
            r#"Bearer realm="https://a/t",service="s",,scope="x""#,
            r#"Bearer realm="https://a/t",service=="s""#,
            r"Bearer realm=r,service=s",
            "Bearer",
            "",
        ] {
            check(header, None);
        }
    }

    #[test]
    fn values_lose_their_ends_and_what_follows_a_second_equals_sign() {
        check(r#"Bearer realm="https://a/t?x=y",service="s""#, Some(("https://a/t?", "s", None)));
        check(r#"Bearer realm="https://a/t",service="a=b""#, Some(("https://a/t", "", None)));
        check(r"Bearer realm=https://a/t,service=abc", Some(("ttps://a/", "b", None)));
    }

    proptest! {
        #[test]
        fn no_header_is_too_odd(header in r#"(Bearer )?[a-z=",é ]{0,40}"#) {
            let understood = understand(&header);
            prop_assert!(understood.is_none() || header.starts_with("Bearer "));
        }
    }
}
