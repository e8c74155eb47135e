//! Takes secrets out of what is recorded and shown: request targets, JSON, and texts that may be JSON.
//!
//! What is secret is told by its name. So a secret in a path, or in a parameter of an innocent name, is not found; nor is
//! one in a URL that is itself percent-encoded into a parameter.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What stands where a secret was.
const SHOWN: &str = "[secret]";

/// Parts of names, in lower case and without `-` and `_`, that tell of a secret.
const SECRET_NAMES: &[&str] =
    &["token", "password", "passwd", "passphrase", "secret", "apikey", "authorization", "signature"];

/// Whole names that tell of a secret.
const SECRET_WORDS: &[&str] = &["pass", "pwd", "sig"];

/// Keys beside which a `value` is a secret's: Harness's secrets have them.
const BESIDE_SECRET_VALUE: &[&str] = &["valueType", "secretManagerIdentifier"];

/// Path and query, or a whole URL, without the values of secret parameters and without user name and password.
///
/// A parameter is secret if its name, in whatever case and percent-encoded or not, contains `token`, `password`,
/// `secret`, `api-key`, `authorization` or `signature`, or is `pass`, `pwd` or `sig`.
///
/// ```
/// assert_eq!(testbed::redact::target("/token?account=ci&password=hunter2"), "/token?account=ci&password=[secret]");
/// ```
pub fn target(path_and_query: &str) -> String {
    let Some(at) = path_and_query.find(['?', '#']) else { return without_userinfo(path_and_query) };
    let (path, query) = path_and_query.split_at(at + 1);
    let pairs: Vec<_> = query.split('&').map(without_secret).collect();
    without_userinfo(&format!("{path}{}", pairs.join("&")))
}

/// JSON without the texts and numbers whose keys end like `password`, `access_token` or `x-api-key`, and without a
/// `value` beside `valueType` or `secretManagerIdentifier`.
pub fn json(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let is_of_secret = has_secret_value(entries.keys().map(String::as_str));
            let is_secret = |key: &str| is_secret_key(key) || is_of_secret && key.eq_ignore_ascii_case("value");
            let entries = entries.iter();
            entries.map(|(key, value)| (key.clone(), if is_secret(key) { mask(value) } else { json(value) })).collect()
        }
        Value::Array(elements) => elements.iter().map(json).collect(),
        plain => plain.clone(),
    }
}

/// The text as [`json`] without its secrets, if it is a JSON object or list, and then in one line; else as it is.
pub fn text(text: &str) -> String {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => json(&value).to_string(),
        _ => text.to_owned(),
    }
}

/// What tells one token from another without telling it: the first 8 hex digits of its SHA-256.
///
/// ```
/// assert_eq!(testbed::redact::fingerprint(b"abc"), "ba7816bf");
/// ```
pub fn fingerprint(token: &[u8]) -> String {
    let hash = Sha256::digest(token);
    format!("{:08x}", u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]))
}

/// Whether a key names a secret: it ends as one. `passwordRef` and `secretManagerIdentifier` name something else.
pub fn is_secret_key(key: &str) -> bool {
    let key = plain_name(key);
    SECRET_WORDS.contains(&key.as_str()) || SECRET_NAMES.iter().any(|name| key.ends_with(name))
}

/// Whether a mapping with these keys describes a secret, so that its `value` is one.
pub(crate) fn has_secret_value<'a>(mut keys: impl Iterator<Item = &'a str>) -> bool {
    keys.any(|key| BESIDE_SECRET_VALUE.iter().any(|beside| key.eq_ignore_ascii_case(beside)))
}

fn is_secret_parameter(name: &str) -> bool {
    let name = plain_name(&percent_decoded(name));
    SECRET_WORDS.contains(&name.as_str()) || SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

fn plain_name(name: &str) -> String {
    name.chars().filter(|char| char.is_ascii_alphanumeric()).map(|char| char.to_ascii_lowercase()).collect()
}

fn without_secret(pair: &str) -> String {
    match secret_value_start(pair) {
        Some(start) => format!("{}{SHOWN}", &pair[..start]),
        None => pair.to_owned(),
    }
}

/// Where the secret begins in one parameter with its name, as it is written in a query; it goes to the end.
///
/// Some separate parameters by `;`, and a redirection may have a query of its own. A secret may have all of these
/// characters in it, so that what follows its name is one as a whole.
pub(crate) fn secret_value_start(pair: &str) -> Option<usize> {
    let mut at = 0;
    for piece in pair.split_inclusive([';', '?', '#']) {
        if let Some((name, _)) = piece.split_once('=').filter(|(name, _)| is_secret_parameter(name)) {
            return Some(at + name.len() + 1);
        }
        at += piece.len();
    }
    None
}

fn without_userinfo(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (scheme, behind) = rest.split_at(at + "://".len());
        let (authority, behind) = behind.split_at(behind.find(['/', '?', '#']).unwrap_or(behind.len()));
        shown.push_str(scheme);
        match authority.rsplit_once('@') {
            Some((_, host)) => shown.extend([SHOWN, "@", host]),
            None => shown.push_str(authority),
        }
        rest = behind;
    }
    shown + rest
}

fn percent_decoded(text: &str) -> String {
    let hex =
        |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).and_then(|n| u8::try_from(n).ok());
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high * 16 + low);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn mask(value: &Value) -> Value {
    match value {
        Value::String(_) | Value::Number(_) => Value::from(SHOWN),
        Value::Array(elements) => elements.iter().map(mask).collect(),
        other => json(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json as made;

    use super::*;

    #[test]
    fn targets_lose_their_secrets_and_nothing_else() {
        for (told, shown) in [
            ("/v2/", "/v2/"),
            ("/v2/a/blobs/sha256:0?x=1", "/v2/a/blobs/sha256:0?x=1"),
            ("/token?account=ci&password=h&scope=x", "/token?account=ci&password=[secret]&scope=x"),
            ("/token?account=ci&PassWord=h", "/token?account=ci&PassWord=[secret]"),
            ("/token?pass%77ord=h&a=%zz%", "/token?pass%77ord=[secret]&a=%zz%"),
            (
                "/t?refresh_token=h&access_token=h&token=",
                "/t?refresh_token=[secret]&access_token=[secret]&token=[secret]",
            ),
            ("/t?x-api-key=h&apiKey=h&api_key=h", "/t?x-api-key=[secret]&apiKey=[secret]&api_key=[secret]"),
            ("/t?Authorization=Basic+h&client_secret=h", "/t?Authorization=[secret]&client_secret=[secret]"),
            ("/b?X-Amz-Signature=h&sig=h&design=d", "/b?X-Amz-Signature=[secret]&sig=[secret]&design=d"),
            ("/t?token", "/t?token"),
            ("/t?a=1;token=h;b=2&c=3", "/t?a=1;token=[secret]&c=3"),
            ("/t?token=a?b;c#d&e=f", "/t?token=[secret]&e=f"),
            ("/t?next=/x?token=h", "/t?next=/x?token=[secret]"),
            ("/t#access_token=h&x=1", "/t#access_token=[secret]&x=1"),
            ("/a/token=1/b", "/a/token=1/b"),
            ("http://jo:h@hub.test/v2/?n=1", "http://[secret]@hub.test/v2/?n=1"),
            ("http://jo:h@h@hub.test", "http://[secret]@hub.test"),
            ("http://hub.test/a@b", "http://hub.test/a@b"),
            ("/t?to=https://jo:h@hub.test/x&n=1", "/t?to=https://[secret]@hub.test/x&n=1"),
        ] {
            assert_eq!(target(told), shown, "{told}");
        }
    }

    #[test]
    fn json_loses_its_secrets_and_nothing_else() {
        for (told, shown) in [
            (made!({"token": "h", "expires_in": 300}), made!({"token": SHOWN, "expires_in": 300})),
            (
                made!([{"access_token": "h"}, {"refreshToken": 7}]),
                made!([{"access_token": SHOWN}, {"refreshToken": SHOWN}]),
            ),
            (made!({"X-Api-Key": ["h", ["h"]], "a": ["b"]}), made!({"X-Api-Key": [SHOWN, [SHOWN]], "a": ["b"]})),
            (
                made!({"passwordRef": "account.x", "password": null}),
                made!({"passwordRef": "account.x", "password": null}),
            ),
            (
                made!({"secret": {"name": "n", "spec": {"valueType": "Inline", "value": "h"}}}),
                made!({"secret": {"name": "n", "spec": {"valueType": "Inline", "value": SHOWN}}}),
            ),
            (
                made!({"secretManagerIdentifier": "m", "value": "h"}),
                made!({"secretManagerIdentifier": "m", "value": SHOWN}),
            ),
            (made!({"name": "n", "value": "v"}), made!({"name": "n", "value": "v"})),
            (made!("password"), made!("password")),
        ] {
            assert_eq!(json(&told), shown, "{told}");
        }
    }

    #[test]
    fn texts_are_looked_into_if_they_are_json() {
        for (told, shown) in [
            (r#"{ "password": "h" }"#, r#"{"password":"[secret]"}"#),
            (r#"[{"token":"h"}]"#, r#"[{"token":"[secret]"}]"#),
            (r#"{"password": "h"#, r#"{"password": "h"#),
            ("plain: text", "plain: text"),
            ("\"text\"", "\"text\""),
            ("", ""),
        ] {
            assert_eq!(text(told), shown);
        }
    }

    const CANARY: &str = "cAnArY7f3";

    fn secret_name() -> impl Strategy<Value = String> {
        let names = ["token", "PASSWORD", "secret", "apikey", "Api-Key", "x-api-key", "authorization", "signature"];
        let around = "[a-z_.-]{0,3}";
        let within = (around, prop::sample::select(names.to_vec()), around);
        prop_oneof![Just("sig".to_owned()), within.prop_map(|(before, name, after)| format!("{before}{name}{after}"))]
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(odd in any::<String>(), url in "[:/@?&;=#%a-f0-9é]{0,40}") {
            for odd in [odd, url] {
                target(&odd);
                text(&odd);
                prop_assert_eq!(json(&Value::from(odd.as_str())), Value::from(odd));
            }
        }

        #[test]
        fn a_canary_in_a_secret_parameter_is_gone(
            before in "[:/@&;=#%a-f0-9é]{0,30}",
            mark in "[?#]",
            pairs in "([:/@;=?%a-f0-9é]{0,20}&){0,2}",
            name in secret_name(),
            around in "[:/@;=?#%a-f0-9é]{0,9}",
            after in "(&[:/@&;=?#%a-f0-9é]{0,30})?",
        ) {
            let told = format!("{before}{mark}{pairs}{name}={around}{CANARY}{around}{after}");
            prop_assert!(!target(&told).contains(CANARY), "{} -> {}", told, target(&told));
        }

        #[test]
        fn a_canary_in_userinfo_is_gone(user in "[a-z:;&=@]{0,9}", host in "[a-z.]{1,9}", behind in "([/?#].{0,20})?") {
            let told = format!("http://{user}{CANARY}@{host}{behind}");
            prop_assert!(!target(&told).contains(CANARY), "{} -> {}", told, target(&told));
        }

        #[test]
        fn a_canary_in_json_is_gone(key in secret_name(), is_deep: bool) {
            // The end of the name is what tells.
            let key = format!("{key}.password");
            let value = if is_deep { made!([{"a": {key: [CANARY]}}]) } else { made!({key: CANARY}) };
            prop_assert!(!text(&value.to_string()).contains(CANARY));
        }
    }
}
