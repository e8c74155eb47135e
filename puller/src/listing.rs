//! What a client asks a registry beside pulling: what a tag means, which tags there are, and what refers to an image.
//!
//! Lists come in pages. The next one is where `Link` says, at whatever host: credentials go to the registry's own origin
//! only, as with redirects. A page that was read before ends the list with a failure.
//!
//! Source: distribution-spec, "Content Discovery"; facts/registry D2, N15 to N17.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Method, header::LINK};
use oci::{Descriptor, Digest, Endpoint, ImageIndex, Manifest, MediaType, Reference, Tag};
use serde::Deserialize;
use testbed::{
    clock::Participant,
    task::{Effort, FailureKind, PullFailure, PullTask},
};
use url::Url;

use crate::{
    client::RequestKind,
    failure::failure,
    hosts::{Asker, Hosts},
    manifest,
    puller::Settings,
    session::{Attempts, Cost, Session},
    transport::{Ask, read_whole},
};

/// The most pages that a list is read through.
const MAX_PAGES: usize = 10_000;
/// The most bytes of one page.
const MAX_PAGE_BYTES: usize = 16 << 20;

/// What was found, or pushed, and what it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked<T> {
    /// What was found.
    pub found: T,
    /// What it took.
    pub effort: Effort,
}

/// One page of a list.
struct Page {
    body: Bytes,
    next: Option<Url>,
}

#[derive(Deserialize)]
struct TagsBody {
    tags: Option<Vec<String>>,
}

pub(crate) async fn head(
    settings: &Settings,
    participant: &Participant,
    task: &PullTask,
) -> Result<Looked<Digest>, PullFailure> {
    let (hosts, cost) = open(settings, task)?;
    looked(&cost, meaning(&hosts, participant, task).await)
}

pub(crate) async fn tags(
    settings: &Settings,
    participant: &Participant,
    task: &PullTask,
    page: Option<u32>,
) -> Result<Looked<Vec<String>>, PullFailure> {
    let (hosts, cost) = open(settings, task)?;
    let endpoint = Endpoint::Tags { repository: task.image.repository().clone() };
    let list = hosts.ask(participant, |session| {
        let mut url = session.url(&endpoint);
        if let Some(page) = page {
            url.query_pairs_mut().append_pair("n", &page.to_string());
        }
        let read = |body: &Bytes| serde_json::from_slice(body).map(|body: TagsBody| body.tags.unwrap_or_default());
        read_list(session, participant, RequestKind::Tags, url, read).boxed()
    });
    looked(&cost, list.await)
}

pub(crate) async fn referrers(
    settings: &Settings,
    participant: &Participant,
    task: &PullTask,
    artifact_type: Option<&MediaType>,
) -> Result<Looked<Vec<Descriptor>>, PullFailure> {
    let (hosts, cost) = open(settings, task)?;
    let listing = async {
        let subject = match task.image.digest() {
            Some(digest) => digest.clone(),
            None => meaning(&hosts, participant, task).await?,
        };
        referrers_of(&hosts, participant, task, &subject, artifact_type).await
    };
    looked(&cost, listing.await)
}

/// What refers to `subject`: by the API, and by the tag that stands in for it where the registry has none. The registry's
/// filter saves bytes; that it was obeyed is never taken for granted.
pub(crate) async fn referrers_of(
    hosts: &Hosts,
    participant: &Participant,
    task: &PullTask,
    subject: &Digest,
    artifact_type: Option<&MediaType>,
) -> Result<Vec<Descriptor>, PullFailure> {
    let endpoint = Endpoint::Referrers { repository: task.image.repository().clone(), digest: subject.clone() };
    let list = hosts.ask(participant, |session| {
        let mut url = session.url(&endpoint);
        if let Some(artifact_type) = artifact_type {
            url.query_pairs_mut().append_pair("artifactType", artifact_type.as_str());
        }
        let read = |body: &Bytes| serde_json::from_slice(body).map(|index: ImageIndex| index.manifests);
        read_list(session, participant, RequestKind::Referrers, url, read).boxed()
    });
    let mut found = match list.await {
        Err(failure) if failure.kind == FailureKind::NotFound => fallback(hosts, participant, task, subject).await?,
        list => list?,
    };
    found.retain(|descriptor| artifact_type.is_none_or(|wanted| descriptor.artifact_type.as_ref() == Some(wanted)));
    Ok(found)
}

/// The index at the tag `sha256-<hex>`; nothing if there is no such tag.
async fn fallback(
    hosts: &Hosts,
    participant: &Participant,
    task: &PullTask,
    subject: &Digest,
) -> Result<Vec<Descriptor>, PullFailure> {
    let encoded: String = subject.encoded().chars().take(64).collect();
    let tag = format!("{}-{encoded}", subject.algorithm().as_str());
    let Ok(tag) = tag.parse::<Tag>() else { return Ok(Vec::new()) };
    match manifest::fetch_one(hosts, participant, &task.image, &Reference::Tag(tag)).await {
        Ok(fetched) => match fetched.manifest {
            Manifest::Index(index) => Ok(index.manifests),
            Manifest::Image(_) => Ok(Vec::new()),
        },
        Err(failure) if failure.kind == FailureKind::NotFound => Ok(Vec::new()),
        Err(failure) => Err(failure),
    }
}

/// The digest that the image's reference means.
async fn meaning(hosts: &Hosts, participant: &Participant, task: &PullTask) -> Result<Digest, PullFailure> {
    let found = hosts.ask(participant, |session| manifest::head(session, participant, &task.image).boxed()).await?;
    match found {
        Some(digest) => Ok(digest),
        None => {
            let fetched = manifest::fetch_one(hosts, participant, &task.image, &task.image.reference()).await?;
            Ok(fetched.digest)
        }
    }
}

/// All pages of a list, from `url` on.
async fn read_list<T, E: std::fmt::Display>(
    session: &Session,
    participant: &Participant,
    kind: RequestKind,
    mut url: Url,
    read: impl Fn(&Bytes) -> Result<Vec<T>, E>,
) -> Result<Vec<T>, PullFailure> {
    let mut all = Vec::new();
    let mut seen = HashSet::new();
    loop {
        let name = url.path().to_owned();
        let fail = |message| failure(FailureKind::Protocol, format!("GET {name}: {message}"));
        if !seen.insert(url.clone()) {
            return Err(fail(String::from("the list's pages go round in a circle")));
        }
        if seen.len() > MAX_PAGES {
            return Err(fail(format!("the list has more than {MAX_PAGES} pages")));
        }
        let page = fetch_page(session, participant, Ask::new(kind, Method::GET, url)).await?;
        all.extend(read(&page.body).map_err(|error| fail(format!("the list cannot be read: {error}")))?);
        match page.next {
            Some(next) => url = next,
            None => return Ok(all),
        }
    }
}

async fn fetch_page(session: &Session, participant: &Participant, ask: Ask) -> Result<Page, PullFailure> {
    let mut attempts = Attempts::new(session, participant, &ask);
    loop {
        let fetched = async {
            let response = session.exchange(participant, &ask).await?;
            let next = next_page(response.headers(), &ask.url);
            Ok(Page { body: read_whole(&ask, response, MAX_PAGE_BYTES).await?, next })
        };
        match fetched.await {
            Ok(page) => return Ok(page),
            Err(trouble) => attempts.wait_after(trouble).await?,
        }
    }
}

/// Where the next page is: `Link: </v2/app/tags/list?n=50&last=x>; rel="next"`.
fn next_page(headers: &HeaderMap, url: &Url) -> Option<Url> {
    let links = headers.get_all(LINK).into_iter().filter_map(|value| value.to_str().ok());
    let mut targets = links.flat_map(|line| line.split(',')).filter_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
            })
        });
        is_next.then(|| url.join(target).ok())?
    });
    targets.next()
}

fn open(settings: &Settings, task: &PullTask) -> Result<(Hosts, Arc<Cost>), PullFailure> {
    let cost = Arc::new(Cost::default());
    Ok((Hosts::open(settings, Asker::of(task), &cost)?, cost))
}

pub(crate) fn looked<T>(cost: &Cost, found: Result<T, PullFailure>) -> Result<Looked<T>, PullFailure> {
    match found {
        Ok(found) => Ok(Looked { found, effort: cost.effort() }),
        Err(failure) => Err(cost.of_failure(failure)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_where_link_says() {
        let check = |link: &str, expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(LINK, link.parse().unwrap());
            let url = Url::parse("https://registry.test/v2/app/tags/list?n=2").unwrap();
            assert_eq!(next_page(&headers, &url).as_ref().map(Url::as_str), expected, "{link}");
        };
        check(
            r#"</v2/app/tags/list?n=2&last=b>; rel="next""#,
            Some("https://registry.test/v2/app/tags/list?n=2&last=b"),
        );
        check("<https://other.test/x>; rel=next", Some("https://other.test/x"));
        check("<?last=b>; title=\"a\"; REL=\"Next\"", Some("https://registry.test/v2/app/tags/list?last=b"));
        check("</x>; rel=\"prev\"", None);
        check("</x>; rel=\"prev\", </y>; rel=\"next\"", Some("https://registry.test/y"));
        check("next", None);
    }
}
