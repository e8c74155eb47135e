//! What came of a simulation: plain data, of which the text and the picture are functions.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write as _,
    time::Duration,
};

use mock_registry::{LimitConfig, Outcome};
use puller::{PlannedRequest, RequestKind};
use serde::Serialize;
use testbed::duration;

use super::{Fleet, chart};

/// How many moments a picture has at most.
const MAX_MOMENTS: u64 = 240;

/// What came of a simulation. Times are policy time since its begin, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Simulation {
    /// The client.
    pub client: String,
    /// The registry: its preset.
    pub registry: String,
    /// Nodes.
    pub n_nodes: u32,
    /// The seed.
    pub seed: u64,
    /// Nodes that got the image.
    pub n_pulled: u32,
    /// Nodes that gave up.
    pub n_gave_up: u32,
    /// Nodes that were still at it at the end.
    pub n_under_way: u32,
    /// Requests, those that were refused included.
    pub n_requests: u64,
    /// GETs of manifests.
    pub n_manifest_gets: u64,
    /// Refused requests.
    pub n_refused: u64,
    /// Pulls that were begun anew.
    pub n_restarts: u64,
    /// When the first request was refused.
    pub first_refusal_ms: Option<u64>,
    /// When half of the nodes had the image.
    pub half_pulled_ms: Option<u64>,
    /// When the last node got the image.
    pub last_pulled_ms: Option<u64>,
    /// The most requests in one second.
    pub most_in_a_second: u64,
    /// When that was.
    pub busiest_second_ms: u64,
    /// The most nodes that were refused in one and the same second: a herd has all of them there.
    pub largest_herd: usize,
    /// What was used of each limit.
    pub limits: Vec<LimitUse>,
    /// How long a moment is.
    pub moment_ms: u64,
    /// Policy time, moment by moment.
    pub moments: Vec<Moment>,
}

/// What was used of a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LimitUse {
    /// Its name.
    pub limit: String,
    /// What it allows: `100/6h`.
    pub allow: String,
    /// Requests that used it up by a unit.
    pub n_used: u64,
    /// Requests that it refused.
    pub n_refused: u64,
}

/// What happened in one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// Its begin.
    pub at_ms: u64,
    /// Requests that were let through.
    pub n_let_through: u64,
    /// Requests that were refused.
    pub n_refused: u64,
    /// Nodes that got the image.
    pub n_pulled: u64,
}

/// Takes notes while a simulation runs.
#[derive(Debug)]
pub(super) struct Recorder {
    moment_ms: u64,
    moments: BTreeMap<u64, Moment>,
    second: u64,
    n_in_second: u64,
    herd: HashSet<u32>,
    pulled_at: Vec<Duration>,
    used: BTreeMap<String, (u64, u64)>,
    noted: Simulation,
}

impl Recorder {
    pub(super) fn new(fleet: &Fleet) -> Self {
        let until_ms = to_ms(fleet.until);
        Self {
            moment_ms: (until_ms / MAX_MOMENTS).max(1),
            moments: BTreeMap::new(),
            second: 0,
            n_in_second: 0,
            herd: HashSet::new(),
            pulled_at: Vec::new(),
            used: BTreeMap::new(),
            noted: Simulation::of(fleet),
        }
    }

    pub(super) fn asked(&mut self, at: Duration, node: u32, request: &PlannedRequest, outcome: &Outcome) {
        self.noted.n_requests += 1;
        self.noted.n_manifest_gets += u64::from(request.kind == RequestKind::Manifest && !request.is_challenged);
        for limit in &outcome.used {
            self.used.entry(limit.clone()).or_default().0 += 1;
        }
        if self.second != at.as_secs() {
            self.second = at.as_secs();
            self.n_in_second = 0;
            self.herd.clear();
        }
        self.n_in_second += 1;
        if self.n_in_second > self.noted.most_in_a_second {
            self.noted.most_in_a_second = self.n_in_second;
            self.noted.busiest_second_ms = self.second * 1000;
        }
        let moment = self.moment(at);
        match &outcome.refused {
            None => moment.n_let_through += 1,
            Some(refused) => {
                moment.n_refused += 1;
                self.noted.n_refused += 1;
                self.noted.first_refusal_ms.get_or_insert(to_ms(at));
                self.used.entry(refused.limit.clone()).or_default().1 += 1;
                self.herd.insert(node);
                self.noted.largest_herd = self.noted.largest_herd.max(self.herd.len());
            }
        }
    }

    pub(super) fn began_anew(&mut self) {
        self.noted.n_restarts += 1;
    }

    pub(super) fn pulled(&mut self, at: Duration) {
        self.noted.n_pulled += 1;
        self.pulled_at.push(at);
        self.moment(at).n_pulled += 1;
    }

    pub(super) fn gave_up(&mut self) {
        self.noted.n_gave_up += 1;
    }

    pub(super) fn finish(self, fleet: &Fleet, registry: &str, limits: &[LimitConfig]) -> Simulation {
        let mut pulled_at = self.pulled_at;
        pulled_at.sort_unstable();
        let half = (fleet.n_nodes.get().div_ceil(2)) as usize;
        let use_of = |limit: &LimitConfig| {
            let (n_used, n_refused) = self.used.get(&limit.name).copied().unwrap_or_default();
            LimitUse { limit: limit.name.clone(), allow: limit.allow.to_string(), n_used, n_refused }
        };
        Simulation {
            registry: registry.to_owned(),
            n_under_way: fleet.n_nodes.get() - self.noted.n_pulled - self.noted.n_gave_up,
            half_pulled_ms: pulled_at.get(half - 1).copied().map(to_ms),
            last_pulled_ms: pulled_at.last().copied().map(to_ms),
            limits: limits.iter().filter(|limit| limit.is_on()).map(use_of).collect(),
            moment_ms: self.moment_ms,
            moments: self.moments.into_values().collect(),
            ..self.noted
        }
    }

    fn moment(&mut self, at: Duration) -> &mut Moment {
        let begin = to_ms(at) / self.moment_ms * self.moment_ms;
        self.moments.entry(begin).or_insert(Moment { at_ms: begin, ..Moment::default() })
    }
}

impl Simulation {
    fn of(fleet: &Fleet) -> Self {
        Self {
            client: fleet.client.name.clone(),
            registry: String::new(),
            n_nodes: fleet.n_nodes.get(),
            seed: fleet.seed.0,
            n_pulled: 0,
            n_gave_up: 0,
            n_under_way: 0,
            n_requests: 0,
            n_manifest_gets: 0,
            n_refused: 0,
            n_restarts: 0,
            first_refusal_ms: None,
            half_pulled_ms: None,
            last_pulled_ms: None,
            most_in_a_second: 0,
            busiest_second_ms: 0,
            largest_herd: 0,
            limits: Vec::new(),
            moment_ms: 0,
            moments: Vec::new(),
        }
    }

    /// What came of it, for people.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let at = |ms: Option<u64>| ms.map_or_else(|| String::from("never"), |ms| format!("after {}", print(ms)));
        let mut line = |what: &str, is: String| writeln!(text, "  {what:<18} {is}").unwrap_or_default();
        line("got the image", format!("{} of {} nodes", self.n_pulled, self.n_nodes));
        if self.n_gave_up > 0 {
            line("gave up", format!("{} nodes", self.n_gave_up));
        }
        if self.n_under_way > 0 {
            line("still at it", format!("{} nodes", self.n_under_way));
        }
        line("half had it", at(self.half_pulled_ms));
        line("the last had it", at(self.last_pulled_ms));
        line("first refusal", at(self.first_refusal_ms));
        let mut requests = format!("{} requests, {} of them for manifests", self.n_requests, self.n_manifest_gets);
        if self.n_refused > 0 {
            let refused = format!(", {} refused ({:.1} for each node)", self.n_refused, self.of_each(self.n_refused));
            requests.push_str(&refused);
        }
        line("asked", requests);
        let busiest = print(self.busiest_second_ms);
        line("busiest second", format!("{} requests, after {busiest}", self.most_in_a_second));
        if self.largest_herd > 1 {
            line("largest herd", format!("{} nodes refused in one second", self.largest_herd));
        }
        if self.n_restarts > 0 {
            line("begun anew", format!("{} pulls", self.n_restarts));
        }
        for LimitUse { limit, allow, n_used, n_refused } in &self.limits {
            line(&format!("limit {limit}"), format!("{allow}: {n_used} used, {n_refused} refused"));
        }
        format!("{} nodes with {} at {}, seed {}\n{text}", self.n_nodes, self.client, self.registry, self.seed)
    }

    /// Requests and successes over policy time, as SVG.
    ///
    /// # Errors
    /// The picture cannot be drawn.
    pub fn draw(&self) -> Result<String, String> {
        chart::draw(self)
    }

    #[expect(clippy::cast_precision_loss, reason = "told with one digit behind the point")]
    fn of_each(&self, n: u64) -> f64 {
        n as f64 / f64::from(self.n_nodes)
    }
}

fn print(ms: u64) -> String {
    duration::print(Duration::from_millis(ms))
}

pub(crate) fn to_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
