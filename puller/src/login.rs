//! How a client shows who it is: the version check, answers to challenges, and requests for tokens.
//!
//! Source: facts/registry C1, C2, E2, E4.

use std::sync::Arc;

use http::{Method, StatusCode};
use oci::{Challenge, Endpoint, MediaType};
use testbed::{
    clock::Participant,
    task::{FailureKind, PullFailure},
};
use url::Url;

use crate::{
    client::{Cause, MessageStyle, OnUnauthorized, PingScope, RedirectedChallenge, RequestKind, TokenMethod},
    failure::{Trouble, shown},
    session::{Attempts, Login, Session},
    token::{Token, TokenKey, choose, is_trusted},
    transport::{Ask, MAX_SMALL_BODY_BYTES, Proof, Reached, challenges, read_whole},
};

impl Session {
    /// The version check, once, for clients that make it. Its challenge is answered before anything else is asked.
    ///
    /// # Errors
    /// The registry answers with neither 2xx nor 401, also after the last attempt; or there is no token.
    pub(crate) async fn greet(&self, participant: &Participant) -> Result<(), PullFailure> {
        if !self.profile.order.version_check {
            return Ok(());
        }
        let mut greeted = self.greeted.take(participant).await;
        if *greeted {
            return Ok(());
        }
        let ask = Ask::new(RequestKind::Ping, Method::GET, self.url(&Endpoint::Ping));
        let mut attempts = Attempts::new(self, participant, &ask);
        let found = loop {
            match self.ping(participant, &ask).await {
                Ok(challenges) => break challenges,
                Err(trouble) => attempts.wait_after(trouble).await?,
            }
        };
        match choose(&found) {
            Some(Challenge::Bearer { realm, service, scope, .. }) => {
                let scope = scope.as_deref().filter(|_| self.profile.token.ping_scope == PingScope::Reused);
                let key = TokenKey::of(realm, service.as_deref(), scope, &self.scope);
                let key = key.map_err(|trouble| trouble.failure)?;
                self.set_login(Login::Bearer(key.clone()));
                self.token(participant, &key, None).await.map_err(|trouble| trouble.failure)?;
            }
            Some(_) if self.has_password() => self.set_login(Login::Basic),
            _ => {}
        }
        *greeted = true;
        Ok(())
    }

    async fn ping(&self, participant: &Participant, ask: &Ask) -> Result<Vec<Challenge>, Trouble> {
        let reached = self.follow(participant, ask, &self.registry, &Proof::Nothing).await?;
        match reached.response.status() {
            StatusCode::UNAUTHORIZED => Ok(challenges(reached.response.headers())),
            _ => self.check(ask, reached).await.map(|_| Vec::new()),
        }
    }

    /// The proof that the registry is known to want, renewed if it has expired.
    pub(crate) async fn known_proof(&self, participant: &Participant) -> Result<Proof, Trouble> {
        match self.login() {
            Login::Unasked => Ok(Proof::Nothing),
            Login::Basic => Ok(Proof::Password),
            Login::Bearer(key) => self.token(participant, &key, None).await.map(Proof::Token),
        }
    }

    /// What to send after a 401 to `sent`; nothing if there is no more to send.
    pub(crate) async fn answer(
        &self,
        participant: &Participant,
        challenges: &[Challenge],
        sent: &Proof,
    ) -> Result<Option<Proof>, Trouble> {
        let chosen = choose(challenges);
        let refreshes = match self.profile.token.on_unauthorized {
            OnUnauthorized::Refresh => true,
            OnUnauthorized::Fail => false,
            OnUnauthorized::RefreshForScope => {
                matches!(chosen, Some(Challenge::Bearer { error: Some(error), .. }) if error == "insufficient_scope")
            }
        };
        if matches!(sent, Proof::Token(_)) && !refreshes {
            return Ok(None);
        }
        let key = match (chosen, self.login()) {
            (Some(Challenge::Bearer { realm, service, scope, .. }), _) => {
                TokenKey::of(realm, service.as_deref(), scope.as_deref(), &self.scope)?
            }
            (Some(_), _) if self.has_password() && !matches!(sent, Proof::Password) => {
                self.set_login(Login::Basic);
                return Ok(Some(Proof::Password));
            }
            // Some registries forget the challenge on a 401 for a token that has expired (facts/registry C2, gcr.io).
            (None, Login::Bearer(key)) => key,
            _ => return Ok(None),
        };
        self.set_login(Login::Bearer(key.clone()));
        let rejected = match sent {
            Proof::Token(token) => Some(&**token),
            Proof::Nothing | Proof::Password => None,
        };
        self.token(participant, &key, rejected).await.map(|token| Some(Proof::Token(token)))
    }

    /// What to send after a 401 of the host at `url`, to which a redirect led: an anonymous token, from clients that ask for
    /// one. Credentials are for the registry alone.
    pub(crate) async fn answer_elsewhere(
        &self,
        participant: &Participant,
        challenges: &[Challenge],
        url: &Url,
    ) -> Result<Option<Proof>, Trouble> {
        let Some(Challenge::Bearer { realm, service, scope, .. }) = choose(challenges) else { return Ok(None) };
        if self.profile.redirects.challenge == RedirectedChallenge::Fail {
            return Ok(None);
        }
        let key = TokenKey::of(realm, service.as_deref(), scope.as_deref(), &self.scope)?;
        if !is_trusted(self.profile.token.realm, url, &key.realm, false) {
            return Ok(None);
        }
        let ask = Ask::new(RequestKind::Token, Method::GET, key.url(None));
        let token = self.repeat_token(participant, &ask, &key.realm, &Proof::Nothing).await;
        token.map(|token| Some(Proof::Token(Arc::new(token)))).map_err(final_trouble)
    }

    async fn token(
        &self,
        participant: &Participant,
        key: &TokenKey,
        rejected: Option<&Token>,
    ) -> Result<Arc<Token>, Trouble> {
        let fetched = self.tokens.get(participant, key, rejected, self.fetch_token(participant, key)).await;
        // These were attempts of a request of their own: the one that needs the token must not repeat them.
        fetched.map_err(|failure| final_trouble(self.known_of_token(failure)))
    }

    /// A failure to get a token is known as one, and `docker pull` names the request that it was for.
    fn known_of_token(&self, failure: PullFailure) -> PullFailure {
        let message = match self.profile.messages {
            MessageStyle::DockerPull => format!("Get \"{}\": {}", self.url(&Endpoint::Ping), failure.message),
            _ => failure.message,
        };
        PullFailure { of_token: true, message, ..failure }
    }

    /// Whether there is a password that a registry may be shown.
    fn has_password(&self) -> bool {
        self.credentials.as_ref().is_some_and(|credentials| !credentials.is_refresh_token)
    }

    /// Asks the token service, with the credentials if there are any: with the client's method, then with the other one. A
    /// refresh token is for the form alone.
    async fn fetch_token(&self, participant: &Participant, key: &TokenKey) -> Result<Token, PullFailure> {
        let habits = &self.profile.token;
        if !is_trusted(habits.realm, &self.registry, &key.realm, self.credentials.is_some()) {
            let message = format!(
                "unauthorized: the token service {} is not trusted with a login for {}: it is asked over plain http, at a private address or in another domain",
                shown(&key.realm),
                self.registry.host_str().unwrap_or_default(),
            );
            return Err(Trouble::last(FailureKind::Unauthorized, message).failure);
        }
        let Some(credentials) = &self.credentials else {
            let ask = Ask::new(RequestKind::Token, Method::GET, key.url(None));
            return self.repeat_token(participant, &ask, &key.realm, &Proof::Nothing).await;
        };
        let account = habits.account.then(|| credentials.username.as_str());
        let get = (Ask::new(RequestKind::Token, Method::GET, key.url(account)), Proof::Password);
        let form = key.form(&habits.client_id, credentials);
        let body =
            "application/x-www-form-urlencoded".parse().ok().map(|form_type: MediaType| (form_type, form.into()));
        let post = Ask { body, ..Ask::new(RequestKind::Token, Method::POST, key.realm.clone()) };
        let post = (post, Proof::Nothing);
        if credentials.is_refresh_token {
            return self.repeat_token(participant, &post.0, &key.realm, &post.1).await;
        }
        let (first, second) = match habits.with_password {
            TokenMethod::Get => (get, post),
            TokenMethod::Post => (post, get),
        };
        let refused = match self.repeat_token(participant, &first.0, &key.realm, &first.1).await {
            Ok(token) => return Ok(token),
            Err(failure) => failure,
        };
        if !refused.status.is_some_and(|status| habits.falls_back_on.contains(&status)) {
            return Err(refused);
        }
        self.repeat_token(participant, &second.0, &key.realm, &second.1).await
    }

    async fn repeat_token(
        &self,
        participant: &Participant,
        ask: &Ask,
        realm: &Url,
        proof: &Proof,
    ) -> Result<Token, PullFailure> {
        let mut attempts = Attempts::new(self, participant, ask);
        loop {
            match self.try_token(participant, ask, realm, proof).await {
                Ok(token) => return Ok(token),
                Err(trouble) => attempts.wait_after(self.told_of_token(trouble)).await?,
            }
        }
    }

    /// A failure to get a token, in the words of a client that has words of its own for it.
    fn told_of_token(&self, trouble: Trouble) -> Trouble {
        let words = self.profile.token.too_many_requests.as_ref();
        match words.filter(|_| trouble.cause == Cause::Status(429)) {
            Some(words) => Trouble::last(FailureKind::RateLimited, words),
            None => trouble,
        }
    }

    async fn try_token(
        &self,
        participant: &Participant,
        ask: &Ask,
        realm: &Url,
        proof: &Proof,
    ) -> Result<Token, Trouble> {
        let reached: Reached = self.follow(participant, ask, realm, proof).await?;
        let response = self.check(ask, reached).await?;
        let body = read_whole(ask, response, MAX_SMALL_BODY_BYTES).await?;
        Token::parse(&body, self.clock.now(), &self.profile.token)
    }
}

fn final_trouble(failure: PullFailure) -> Trouble {
    Trouble::new(failure, Cause::Final)
}
