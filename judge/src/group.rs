//! Which exchanges are one pull.
//!
//! A pull is what one caller asks about one image of one repository. It begins with the manifest that the image's
//! name means; the version checks and tokens in front of it are its own. A new one begins when that manifest is asked
//! for although it is there already, when the builtin client says that the one before is over, and after [`PAUSE`].
//! Two pulls of one image that one caller makes at the same time cannot be told apart, and are one.

use std::collections::HashMap;

use oci::{EndpointKind, Reference};
use testbed::Timestamp;

use crate::reading::{Caller, Reading, Seen, Told};

/// So much policy time without a request ends a pull, beyond what it was told to wait.
const PAUSE_SECONDS: i64 = 600;

/// The exchanges of one pull, as places in the reading. `root` is what the image's name says behind the repository.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    pub(crate) caller: Caller<'a>,
    pub(crate) repository: String,
    pub(crate) root: &'a Reference,
    pub(crate) members: Vec<usize>,
    /// The host that the image's name has in front, if the builtin client told the name.
    pub(crate) home: Option<&'a str>,
    last: Timestamp,
    told_to_wait: i64,
}

/// The pulls of `reading`, in the order in which they begin.
pub(crate) fn groups<'a>(reading: &Reading<'a>) -> Vec<Group<'a>> {
    let mut grouping =
        Grouping { reading, groups: Vec::new(), live: HashMap::new(), early: HashMap::new(), running: HashMap::new() };
    for told in &reading.order {
        match told {
            Told::Seen(place) => grouping.add(*place),
            Told::Started(image) => *grouping.running.entry(image).or_default() += 1,
            Told::Finished(image) => grouping.finish(image),
        }
    }
    grouping.groups
}

struct Grouping<'r, 'a> {
    reading: &'r Reading<'a>,
    groups: Vec<Group<'a>>,
    /// Each caller's newest pull in each repository that it pulled from.
    live: HashMap<Caller<'a>, Vec<usize>>,
    /// What callers asked before they named an image.
    early: HashMap<Caller<'a>, Vec<usize>>,
    /// How many pulls of an image the builtin client says are under way.
    running: HashMap<&'a str, usize>,
}

impl<'a> Grouping<'_, 'a> {
    fn add(&mut self, place: usize) {
        let seen = self.reading.seen[place];
        let group = match seen.endpoint {
            EndpointKind::Manifest if seen.reads() => Some(self.of_manifest(&seen)),
            EndpointKind::Blob | EndpointKind::Cdn if seen.reads() => self.of_blob(&seen),
            EndpointKind::Referrers => self.open(&seen, seen.repository.map(ToString::to_string).as_deref()),
            EndpointKind::Token => self.of_token(&seen),
            EndpointKind::Ping => None,
            _ => return,
        };
        match group {
            Some(group) => self.groups[group].push(place, &seen),
            None if matches!(seen.endpoint, EndpointKind::Token | EndpointKind::Ping) => {
                self.early.entry(seen.caller()).or_default().push(place);
            }
            None => {}
        }
    }

    fn finish(&mut self, image: &str) {
        let Some(n) = self.running.get_mut(image) else { return };
        *n = n.saturating_sub(1);
        if *n > 0 {
            return;
        }
        // What is over is looked at no more, so a long journal costs no more than a short one.
        let groups = &self.groups;
        self.live.retain(|_, live| {
            live.retain(|group| !groups[*group].is_of(image));
            !live.is_empty()
        });
    }

    /// Those of the caller's pulls that others have not followed, newest first.
    fn of_caller(&self, caller: &Caller<'a>) -> impl Iterator<Item = usize> {
        self.live.get(caller).into_iter().flatten().rev().copied()
    }

    /// The pull of the caller's that is under way in that repository; the newest of any, if none is named.
    fn open(&self, seen: &Seen<'a>, repository: Option<&str>) -> Option<usize> {
        self.of_caller(&seen.caller()).find(|group| {
            let group = &self.groups[*group];
            repository.is_none_or(|repository| is_same_repository(&group.repository, repository))
                && group.is_open(seen.at)
        })
    }

    fn of_manifest(&mut self, seen: &Seen<'a>) -> usize {
        let (Some(repository), Some(reference)) = (seen.repository, seen.reference) else {
            // A manifest has both; without them it begins nothing that could be named.
            return self.begin(seen, String::new(), &UNNAMED);
        };
        let repository = repository.to_string();
        if let Some(open) = self.open(seen, Some(&repository)) {
            let group = &self.groups[open];
            let is_about_it = group.root == reference || matches!(reference, Reference::Digest(_));
            if is_about_it && !group.has(self.reading, seen, reference) {
                return open;
            }
        }
        self.begin(seen, repository, reference)
    }

    fn begin(&mut self, seen: &Seen<'a>, repository: String, root: &'a Reference) -> usize {
        let mut early = self.early.remove(&seen.caller()).unwrap_or_default();
        early.retain(|place| seen.at.as_second() - self.reading.seen[*place].at.as_second() <= PAUSE_SECONDS);
        // A token for another repository is for another pull.
        let is_elsewhere = |place: &usize| {
            let named = self.reading.seen[*place].token_repository();
            named.is_some_and(|named| !is_same_repository(&repository, &named))
        };
        let kept: Vec<usize> = early.extract_if(.., |place| is_elsewhere(place)).collect();
        if !kept.is_empty() {
            self.early.insert(seen.caller(), kept);
        }
        let live = self.live.entry(seen.caller()).or_default();
        live.retain(|known| self.groups[*known].repository != repository);
        live.push(self.groups.len());
        let mut group = Group {
            caller: seen.caller(),
            repository,
            root,
            members: early,
            home: None,
            last: seen.at,
            told_to_wait: 0,
        };
        let running = self.running.iter().filter(|(image, n)| **n > 0 && group.is_of(image));
        let mut homes: Vec<&str> = running.filter_map(|(image, _)| image.split('/').next()).collect();
        // Of several that it may be, the one that was asked.
        if homes.len() > 1 {
            homes.retain(|home| home.eq_ignore_ascii_case(&seen.exchange.host));
        }
        group.home = homes.first().copied();
        self.groups.push(group);
        self.groups.len() - 1
    }

    fn of_blob(&self, seen: &Seen<'a>) -> Option<usize> {
        match seen.repository {
            Some(repository) => self.open(seen, Some(repository.as_str())),
            // A second host may not be told; then it is whoever asked for this blob.
            None => self.of_caller(&seen.caller()).find(|group| {
                let asks = |place: &usize| self.reading.seen[*place].reference == seen.reference;
                self.groups[*group].members.iter().any(asks)
            }),
        }
    }

    /// A token for a pull that lacks nothing is for the next one.
    fn of_token(&self, seen: &Seen<'a>) -> Option<usize> {
        let open = self.open(seen, seen.token_repository().as_deref())?;
        (!is_complete(self.reading, &self.groups[open])).then_some(open)
    }
}

/// Stands where a manifest has no reference.
static UNNAMED: std::sync::LazyLock<Reference> = std::sync::LazyLock::new(|| Reference::Tag(oci::Tag::latest()));

impl<'a> Group<'a> {
    fn push(&mut self, place: usize, seen: &Seen<'a>) {
        self.members.push(place);
        self.last = seen.at;
        let told = seen.exchange.retry_after.as_deref().and_then(|told| told.trim().parse().ok());
        self.told_to_wait = told.unwrap_or(0);
    }

    fn is_open(&self, now: Timestamp) -> bool {
        let pause = now.as_second().saturating_sub(self.last.as_second());
        pause <= PAUSE_SECONDS.saturating_add(self.told_to_wait)
    }

    /// Whether asking `seen` says that the pull begins anew: its answer is here already, from the same registry.
    fn has(&self, reading: &Reading<'a>, seen: &Seen<'a>, reference: &Reference) -> bool {
        let answered = |place: &usize| {
            let known = &reading.seen[*place];
            let is_same = known.reference == Some(reference) && known.exchange.actor == seen.exchange.actor;
            // `HEAD` is followed by `GET`, and not the other way round.
            is_same
                && known.endpoint == EndpointKind::Manifest
                && known.succeeded()
                && (known.is_get() || !seen.is_get())
        };
        self.members.iter().any(answered)
    }

    /// Whether it pulls what the builtin client calls `image`.
    fn is_of(&self, image: &str) -> bool {
        // Ports of this machine are not told in every form of the journal, so this is no image reference.
        let without_tag = |name| str::rsplit_once(name, ':').filter(|(_, tag)| !tag.contains('/'));
        let (name, reference) = match image.split_once('@') {
            Some((name, digest)) => (without_tag(name).map_or(name, |(name, _)| name), digest),
            None => without_tag(image).unwrap_or((image, "latest")),
        };
        let repository = name.split_once('/').map_or(name, |(_, repository)| repository);
        is_same_repository(repository, &self.repository) && self.root.as_str() == reference
    }
}

/// Whether both names mean one repository: a registry with a path has it in front of the one, and not of the other.
fn is_same_repository(one: &str, other: &str) -> bool {
    let is_below = |long: &str, short: &str| {
        long.strip_suffix(short).is_some_and(|front| front.is_empty() || front.ends_with('/'))
    };
    is_below(one, other) || is_below(other, one)
}

/// Whether everything that was asked for came, as far as a registry can tell.
pub(crate) fn is_complete(reading: &Reading<'_>, group: &Group<'_>) -> bool {
    let members = group.members.iter().map(|place| &reading.seen[*place]);
    let mut came: HashMap<Option<&Reference>, bool> = HashMap::new();
    for seen in members.filter(|seen| seen.is_content()) {
        let is_here = seen.succeeded() && (!seen.is_blob() || seen.is_get() && seen.is_whole());
        *came.entry(seen.reference).or_default() |= is_here;
    }
    !came.is_empty() && came.values().all(|came| *came)
}
