//! When a token ends by its own account. Tokens are opaque, and only a client that looks into them all the same needs this.
//!
//! Nothing is verified: the registry alone can. Source: RFC 7519, "exp"; facts/registry C1, E4.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use testbed::Timestamp;

#[derive(Deserialize)]
struct Claims {
    exp: i64,
}

/// The `exp` of a JWT; none if the token is something else, or does not say.
pub(crate) fn expiry(token: &str) -> Option<Timestamp> {
    let mut parts = token.split('.').skip(1);
    let claims = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    Timestamp::from_second(claims.exp).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_claims_of_a_jwt_tell_when_it_ends() {
        let check = |token: &str, expected: Option<i64>| {
            assert_eq!(expiry(token).map(Timestamp::as_second), expected, "{token}");
        };
        let jwt = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        check(&jwt(r#"{"sub":"","exp":1767225900,"iat":1}"#), Some(1_767_225_900));
        check(&jwt(r#"{"sub":""}"#), None);
        check(&jwt(r#"{"exp":"soon"}"#), None);
        check(&jwt(r#"{"exp":99999999999999}"#), None);
        check("gho_16C7e42F292c6912E7710c838347Ae178B4a", None);
        check("a.%%%.c", None);
        check("", None);
    }
}
