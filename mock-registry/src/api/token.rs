//! The token endpoint: `/token` on the registry's own listener, under every name that leads to it.
//!
//! Source: Docker token specification (GET) and its OAuth2 form (POST); facts/registry A2, C1.

use axum::{Form, RequestExt as _, body::Body, extract::Request, response::Response};
use http::{HeaderValue, header};
use jiff::SignedDuration;
use oci::{Principal, Scope};
use serde_json::{Map, Value};

use super::listing::query;
use crate::{
    TokenField, TokenPost, Told, Who,
    auth::{Identity, Proof, Wish, grant, join_scopes},
    error::RegistryError,
    state::App,
};

/// What is asked for, from a query or a form.
#[derive(Debug, Default)]
struct Asked {
    service: Option<String>,
    scopes: Vec<Scope>,
    wants_refresh: bool,
}

/// `GET /token?service=&scope=&account=`: a token for the account of the Basic credentials, or for nobody.
///
/// The token allows the part of the scopes that the account may have, which can be nothing. Answers 200 with `token`,
/// `access_token` (the same), `expires_in` in seconds and `issued_at`.
///
/// # Errors
/// `UNAUTHORIZED` 401: name or password are wrong.
pub(super) fn get_token(app: &App, identity: &Identity, request: &Request) -> Result<Response, RegistryError> {
    let asked = Asked::read(query(request.uri()).iter());
    let principal = match identity.proof() {
        Proof::WrongPassword => return Err(RegistryError::WrongCredentials),
        Proof::Password => identity.principal().clone(),
        // A token is no way to another token.
        _ => Principal::Anonymous,
    };
    Ok(answer(app, &principal, asked, false))
}

/// `POST /token` with a form: `grant_type=password` or `refresh_token`.
///
/// Answers 200 with `access_token` (and `token`), `scope`, `expires_in`, `issued_at`, and `refresh_token` if
/// `access_type=offline` was asked for.
///
/// # Errors
/// `UNAUTHORIZED` 401: name, password or refresh token are wrong. `UNSUPPORTED` 400: the form is malformed.
pub(super) async fn post_token(app: &App, request: Request) -> Result<Response, RegistryError> {
    if let TokenPost::Status(status) = app.settings.token.post {
        return Err(RegistryError::TokenPost { status });
    }
    let Ok(Form(pairs)) = request.extract::<Form<Vec<(String, String)>>, _>().await else {
        return Err(RegistryError::TokenRequest { reason: "it is no form" });
    };
    let get = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let account = match get("grant_type") {
        Some("password") => {
            app.accounts.log_in(get("username").unwrap_or_default(), get("password").unwrap_or_default())
        }
        Some("refresh_token") => {
            let shown = get("refresh_token").unwrap_or_default();
            app.accounts.find(|name| app.tokens.refresh_token(name.as_str()) == shown)
        }
        _ => {
            return Err(RegistryError::TokenRequest {
                reason: "`grant_type` is neither `password` nor `refresh_token`",
            });
        }
    };
    let principal = Principal::Account(account.ok_or(RegistryError::WrongCredentials)?);
    Ok(answer(app, &principal, Asked::read(pairs.iter()), true))
}

impl Asked {
    /// Scopes may be repeated, and several may stand in one, separated by blanks. Texts that are no scope are ignored.
    fn read<'a>(pairs: impl Iterator<Item = &'a (String, String)>) -> Self {
        let mut asked = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "service" => asked.service = Some(value.clone()).filter(|service| !service.is_empty()),
                "scope" => asked.scopes.extend(Scope::parse_list(value).into_iter().flatten()),
                "offline_token" => asked.wants_refresh |= value == "true",
                "access_type" => asked.wants_refresh |= value == "offline",
                _ => {}
            }
        }
        asked
    }
}

fn answer(app: &App, principal: &Principal, asked: Asked, tells_scope: bool) -> Response {
    let now = app.clock.now();
    let quirks = &app.settings.token;
    let granted = grant(app, principal, &asked.scopes);
    let scope = join_scopes(&granted);
    let (who, own) = match principal.account() {
        Some(name) => (Who::Accounts, app.accounts.limit_of(name).1),
        None => (Who::Anonymous, None),
    };
    let wish =
        Wish { principal: principal.clone(), service: asked.service, granted, limit: app.limiter.pull_limit(who, own) };
    let token = app.tokens.make(&wish, now);
    let mut body = Map::new();
    for field in quirks.fields.as_deref().unwrap_or(&[TokenField::Token, TokenField::AccessToken]) {
        let name = match field {
            TokenField::Token => "token",
            TokenField::AccessToken => "access_token",
        };
        let token = match field {
            _ if quirks.good.is_some_and(|good| good != *field) => app.tokens.make(&Wish::useless(), now),
            TokenField::AccessToken if quirks.differ => app.tokens.make(&wish, now),
            _ => token.clone(),
        };
        body.insert(name.into(), token.into());
    }
    let life = SignedDuration::try_from(app.tokens.life()).unwrap_or(SignedDuration::MAX);
    if let Told::Time(life) = quirks.expires_in.unwrap_or(Told::Time(life)) {
        body.insert("expires_in".into(), life.as_secs().into());
    }
    if let Told::Time(from_now) = quirks.issued_at.unwrap_or(Told::Time(SignedDuration::ZERO)) {
        let issued = now.checked_add(from_now).unwrap_or(now);
        body.insert("issued_at".into(), issued.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string().into());
    }
    if tells_scope {
        body.insert("scope".into(), scope.into());
    }
    if let Some(account) = principal.account().filter(|_| asked.wants_refresh) {
        body.insert("refresh_token".into(), app.tokens.refresh_token(account.as_str()).into());
    }
    let mut response = Response::new(Body::from(Value::Object(body).to_string()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
