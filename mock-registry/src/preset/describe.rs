//! A preset in words: what it is like for clients, and how each part of that is known.

use std::{collections::BTreeMap, fmt};

use oci::Endpoint;
use serde::Serialize;
use testbed::{dialect, duration};

use super::{Mark, Preset, words};
use crate::{
    Allow, AuthConfig, LimitConfig, RegistryConfig, TokenField, TokenFormat, TokenPost, Told, UpstreamRefusal,
    auth::compose_challenges, config::check, settings::Settings,
};

/// A preset in words.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// What it is called.
    pub name: String,
    /// One sentence about it.
    pub about: String,
    /// The preset that it changes, if it does not say everything itself.
    pub base: Option<String>,
    /// What it is like.
    pub sections: Vec<Section>,
    /// The values that are not verified, by the path of the key that changes each.
    pub unverified: Vec<String>,
}

/// One side of a registry.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// Which.
    pub title: String,
    /// What there is to say.
    pub statements: Vec<Statement>,
}

/// Something that is so, and how it is known.
#[derive(Clone, Debug, Serialize)]
pub struct Statement {
    /// One sentence.
    pub text: String,
    /// What it looks like on the wire, if it is a refusal: status, headers, a blank line and the body, with what is
    /// different each time in braces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// How each value in it is known.
    pub sources: Vec<Known>,
}

/// How a value is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Known {
    /// The path of its key; a dialect by its name.
    pub key: String,
    /// Where it was seen; empty where nothing is said.
    pub from: String,
    /// How good that is.
    pub mark: Option<Mark>,
    /// What is assumed, where it is not verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assumes: Option<String>,
}

impl Preset {
    /// What it is like, in words.
    pub fn describe(&self) -> Description {
        let config = RegistryConfig { preset_file: Some(self.clone()), ..RegistryConfig::default() };
        // What cannot be started was refused when it was read.
        let settings = check(self.name(), &config).ok();
        let mut sections = Vec::new();
        if let Some(settings) = &settings {
            sections.push(section("hosts", self.hosts(settings)));
            sections.push(section("challenge", self.challenge(settings)));
            sections.push(section("token", self.token(settings)));
        }
        sections.push(section("limits", self.limits_in_words()));
        sections.push(section("otherwise", self.otherwise()));
        sections.retain(|section| !section.statements.is_empty());
        let is_off = |path: &str| {
            let off = self.file().limits.iter().filter(|limit| limit.allow == Allow::Unlimited);
            off.map(|limit| format!("limits.{}.", limit.name)).any(|prefix| path.starts_with(&prefix))
        };
        let unverified = self
            .evidence()
            .filter(|(path, evidence)| evidence.is_some_and(|known| known.mark == Mark::U) && !is_off(path));
        Description {
            name: self.name().to_owned(),
            about: self.about().to_owned(),
            base: self.base().map(str::to_owned),
            unverified: unverified.map(|(path, _)| path.to_owned()).collect(),
            sections,
        }
    }

    fn hosts(&self, settings: &Settings) -> Vec<Statement> {
        let file = self.file();
        let mut hosts = vec![if file.hosts.is_empty() {
            self.say("has no host name of its own; in a scenario it is `<name>.test`", &["hosts"])
        } else {
            self.say(format!("answers as {}", file.hosts.join(", ")), &["hosts"])
        }];
        if let Some(token_host) = &settings.token_host {
            hosts.push(self.say(format!("gives tokens at {token_host}"), &["token-host"]));
        }
        if let Some(path) = &file.path {
            hosts.push(self.say(format!("has the path `{path}` in front of every repository"), &["path"]));
        }
        if file.library {
            hosts.push(self.say("has image names without a slash under `library/`", &["library"]));
        }
        hosts
    }

    fn challenge(&self, settings: &Settings) -> Vec<Statement> {
        let mut challenge = Vec::new();
        if settings.auth == AuthConfig::None {
            return vec![self.say("asks nobody who they are", &["auth", "anonymous"])];
        }
        let host = settings.hosts.first().map_or("registry.test", String::as_str);
        let told = compose_challenges(settings, host, &Endpoint::Ping, &[], None).join("\n");
        let keys = ["auth", "realm", "service", "challenge.realm", "challenge.service", "challenge.ping-scope"];
        challenge.push(self.say(format!("answers `GET /v2/` with 401 and `{told}`"), &keys));
        if settings.auth == AuthConfig::Bearer {
            let scope = match &settings.challenge.scope {
                Some(scope) => format!("asks for the scope `{scope}` wherever something is pulled"),
                None => String::from("asks for the scope that is needed: `repository:<name>:pull`"),
            };
            challenge.push(self.say(scope, &["challenge.scope"]));
        }
        if let Some(body) = &settings.challenge.body {
            challenge.push(self.say_answer(format!("words a 401 as `{body}`"), body, &["challenge.body"]));
        }
        let who = if settings.anonymous { "lets everyone pull" } else { "lets only those pull who have an account" };
        challenge.push(self.say(who, &["anonymous"]));
        challenge
    }

    fn token(&self, settings: &Settings) -> Vec<Statement> {
        if settings.auth != AuthConfig::Bearer {
            return Vec::new();
        }
        let quirks = &settings.token;
        let life = duration::print(settings.token_life);
        let fields = quirks.fields.as_deref().unwrap_or(&[TokenField::Token, TokenField::AccessToken]);
        let mut told: Vec<_> = fields
            .iter()
            .map(|field| match field {
                TokenField::Token => String::from("`token`"),
                TokenField::AccessToken => String::from("`access_token`"),
            })
            .collect();
        match quirks.expires_in {
            None => told.push(format!("`expires_in: {}`", settings.token_life.as_secs())),
            Some(Told::Nothing) => {}
            Some(time) => told.push(format!("an `expires_in` of {time}")),
        }
        match quirks.issued_at {
            None => told.push(String::from("`issued_at`")),
            Some(Told::Nothing) => {}
            Some(time) => told.push(format!("an `issued_at` that is {time} from now")),
        }
        let answer = format!("answers `GET {}` with {}", settings.token_path, told.join(", "));
        let form = match quirks.format {
            TokenFormat::Jwt => "a JWT",
            TokenFormat::Opaque => "a text that says nothing",
        };
        let mut token = vec![
            self.say(answer, &["token-path", "token.fields", "token.expires-in", "token.issued-at"]),
            self.say(
                format!("makes it {form}, valid for {life}"),
                &["token.format", "token.size", "issuer", "token-life"],
            ),
        ];
        if quirks.unbound {
            token.push(self.say("lets it be used for every repository that its owner may read", &["token.unbound"]));
        }
        if let TokenPost::Status(status) = quirks.post {
            token.push(self.say(format!("answers a POST with {status}"), &["token.post"]));
        }
        if let Some(refusal) = &quirks.refusal {
            token.push(self.say_answer("refuses wrong passwords in words of its own", refusal, &["token.refusal"]));
        }
        token
    }

    fn limits_in_words(&self) -> Vec<Statement> {
        let file = self.file();
        let mut limits = Vec::<Statement>::new();
        let mut answers = BTreeMap::<&str, &str>::new();
        for limit in &file.limits {
            let mut statement = self.limit(limit);
            match answers.get(limit.answer.as_str()) {
                // The same refusal once more tells nothing new.
                Some(other) if statement.answer.is_some() => {
                    statement.text += &format!("; refused like `{other}`");
                    statement.answer = None;
                    statement.sources.pop();
                }
                None if statement.answer.is_some() => drop(answers.insert(&limit.answer, &limit.name)),
                _ => {}
            }
            limits.push(statement);
        }
        if let Some(upstream) = &file.upstream {
            let refusal = words::upstream_refusal(upstream.refusal);
            let text = format!("pulls from an upstream that lets {} through; beyond that {refusal}", upstream.limit);
            let dialect = match upstream.refusal {
                UpstreamRefusal::AsItIs => "dockerhub-anonymous",
                UpstreamRefusal::Stale | UpstreamRefusal::TooManyRequests => "harbor-proxy",
                UpstreamRefusal::ManifestUnknown => "manifest-unknown",
                UpstreamRefusal::BlobUnknown => "blob-unknown",
                UpstreamRefusal::Denied => "denied-as-limit",
                UpstreamRefusal::CacheRule => "acr-cache",
            };
            limits.push(self.say_answer(text, dialect, &["upstream.limit", "upstream.refusal"]));
        }
        if limits.is_empty() {
            limits.push(Statement { text: String::from("limits nothing"), answer: None, sources: Vec::new() });
        }
        limits
    }

    fn limit(&self, limit: &LimitConfig) -> Statement {
        let prefix = format!("limits.{}.", limit.name);
        let short = match limit.name.as_str() {
            crate::ANONYMOUS => "limit",
            crate::ACCOUNTS => "account-limit",
            _ => "",
        };
        let changed = self.evidence().any(|(path, _)| path == short);
        let paths = self.evidence().map(|(path, _)| path).filter(|path| path.starts_with(&prefix));
        let paths: Vec<_> = paths.filter(|path| !(changed && path.ends_with(".allow"))).collect();
        let mut keys: Vec<&str> = if changed { vec![short] } else { Vec::new() };
        if limit.allow == Allow::Unlimited {
            return self.say(format!("`{}`: nothing is counted", limit.name), &keys);
        }
        keys.extend(paths);
        self.say_answer(words::limit(limit), &limit.answer, &keys)
    }

    fn otherwise(&self) -> Vec<Statement> {
        let file = self.file();
        let mut otherwise = Vec::new();
        if let Some(absent) = file.absent_repository {
            let text = format!("answers with {} where one may not see a repository", words::absent(absent));
            otherwise.push(self.say(text, &["absent-repository"]));
        }
        for (name, value) in &file.headers {
            let text = format!("sends `{name}: {value}` with every answer");
            otherwise.push(self.say(text, &["headers", &format!("headers.{name}")]));
        }
        let api = self.evidence().map(|(path, _)| path).filter(|path| path.starts_with("api."));
        let api: Vec<_> = api.collect();
        if !api.is_empty() {
            otherwise.push(self.say(format!("makes choices of its own in {}", words::list(&api)), &api));
        }
        otherwise.push(self.say(if file.push { "takes pushes" } else { "takes no pushes" }, &["push"]));
        otherwise
    }

    /// A statement about the values at `keys`, those of them that there are.
    fn say(&self, text: impl Into<String>, keys: &[&str]) -> Statement {
        let known = |(path, evidence): (&str, Option<&super::Evidence>)| Known {
            key: path.to_owned(),
            from: evidence.map(|known| known.from.clone()).unwrap_or_default(),
            mark: evidence.map(|known| known.mark),
            assumes: evidence.and_then(|known| known.assumes.clone()),
        };
        let sources = keys.iter().filter_map(|key| self.evidence().find(|(path, _)| path == key).map(known));
        Statement { text: text.into(), answer: None, sources: sources.collect() }
    }

    /// The same, with an answer in the dialect called `name`.
    fn say_answer(&self, text: impl Into<String>, name: &str, keys: &[&str]) -> Statement {
        let mut statement = self.say(text, keys);
        if let Some(dialect) = dialect::find(name) {
            statement.answer = Some(words::answer_in_words(dialect));
            let key = format!("dialect {name}");
            statement.sources.push(Known { key, from: dialect.source.clone(), mark: None, assumes: None });
        }
        statement
    }
}

fn section(title: &str, statements: Vec<Statement>) -> Section {
    Section { title: title.to_owned(), statements }
}

/// For people to read.
impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.about)?;
        if let Some(base) = &self.base {
            writeln!(f, "what is not said in its own file is that of {base}")?;
        }
        for section in &self.sections {
            writeln!(f, "\n{}", section.title)?;
            for statement in &section.statements {
                write!(f, "{statement}")?;
            }
        }
        let marks = [Mark::S, Mark::D, Mark::W, Mark::I, Mark::F, Mark::U];
        let marks: Vec<_> = marks.iter().map(|mark| format!("[{mark}] {}", mark.meaning())).collect();
        writeln!(f, "\n{}", marks.join(", "))?;
        if !self.unverified.is_empty() {
            writeln!(f, "not verified, each by the key that changes it: {}", self.unverified.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}", self.text)?;
        for line in self.answer.iter().flat_map(|answer| answer.lines()) {
            writeln!(f, "{}", format!("    | {line}").trim_end())?;
        }
        // The same source holds for several keys.
        let mut said: Vec<(&Known, Vec<&str>)> = Vec::new();
        for known in &self.sources {
            let same = |(other, _): &&mut (&Known, Vec<&str>)| {
                (&other.from, other.mark, &other.assumes) == (&known.from, known.mark, &known.assumes)
            };
            match said.iter_mut().find(same) {
                Some((_, keys)) => keys.push(&known.key),
                None => said.push((known, vec![&known.key])),
            }
        }
        for (known, keys) in said {
            let keys = in_short(&keys);
            match (known.mark, &known.assumes) {
                (Some(mark), Some(assumes)) => writeln!(f, "      [{mark}] {keys}: {assumes} ({})", known.from)?,
                (Some(mark), None) => writeln!(f, "      [{mark}] {keys}: {}", known.from)?,
                (None, _) if known.from.is_empty() => writeln!(f, "      {keys}: no source is given")?,
                (None, _) => writeln!(f, "      {keys}: {}", known.from)?,
            }
        }
        Ok(())
    }
}

/// `limits.pulls.{allow, by}` for keys of one limit.
fn in_short(keys: &[&str]) -> String {
    let parts: Vec<_> = keys.iter().filter_map(|key| key.rsplit_once('.')).collect();
    match parts[..] {
        [(first, _), (_, _), ..] if parts.len() == keys.len() && parts.iter().all(|(section, _)| *section == first) => {
            let names: Vec<_> = parts.iter().map(|(_, name)| *name).collect();
            format!("{first}.{{{}}}", names.join(", "))
        }
        _ => keys.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset_names;

    #[test]
    fn every_value_of_every_preset_is_told() {
        for name in preset_names() {
            let preset = Preset::find(name).unwrap();
            let told = preset.describe();
            let keys: Vec<_> =
                told.sections.iter().flat_map(|section| &section.statements).flat_map(|s| &s.sources).collect();
            for (path, _) in preset.evidence() {
                let is_off = preset.file().limits.iter().any(|limit| {
                    limit.allow == Allow::Unlimited && path.starts_with(&format!("limits.{}.", limit.name))
                });
                let is_changed = path == "limits.anonymous.allow" || path == "limits.accounts.allow";
                let of_tokens = preset.file().auth == AuthConfig::None || preset.file().auth == AuthConfig::Basic;
                let is_untold = is_off || is_changed || (of_tokens && path.starts_with("token-"));
                assert!(is_untold || keys.iter().any(|known| known.key == path), "{name}: {path} is not told");
            }
            assert!(told.to_string().lines().count() > 8, "{told}");
        }
    }

    #[test]
    fn docker_hub_is_told_in_words() {
        let told = Preset::find("dockerhub-anon").unwrap().describe().to_string();
        for text in [
            "answers as registry-1.docker.io, index.docker.io, registry.hub.docker.com, docker.io\n",
            "`Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\"`",
            "answers `GET /token` with `token`, `access_token`, `expires_in: 300`, `issued_at`\n",
            "`anonymous`: 100 in 6h for each IPv4 address or IPv6 /64, of those without an account; GET of manifests counts",
            "    | 429 Too Many Requests\n    | content-type: application/json\n    |\n    | {\"errors\"",
            "`accounts`: nothing is counted\n      [D] account-limit: ",
            "[U] limits.anonymous.algorithm: each pull counts for six hours",
            "not verified, each by the key that changes it: ",
        ] {
            assert!(told.contains(text), "lacks {text}\n{told}");
        }
    }
}
