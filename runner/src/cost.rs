//! What pulls cost under the accounting of a registry, and when a rollout meets its limits.
//!
//! The requests of one pull are those that a client plans, or those of a recorded run; they go through the limits of each
//! preset as they are, without a socket.

use std::{collections::BTreeMap, time::Duration};

use mock_registry::{Accounting, RegistryConfig};
use puller::PlannedRequest;
use serde::Serialize;
use testbed::{Clock, clock::after, diagnostic::Diagnostic, duration};

use crate::simulate::{Fleet, complain, to_ms};

/// What a pull costs at one registry, and what becomes of a rollout there. Times are policy time in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// The registry's preset.
    pub registry: String,
    /// Requests of one pull.
    pub n_requests: usize,
    /// What one pull uses of each limit that it touches.
    pub limits: Vec<LimitCost>,
    /// The first refusal of the rollout, if there is one.
    pub reached: Option<Reached>,
}

/// What one pull uses of a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LimitCost {
    /// The limit.
    pub limit: String,
    /// What it allows: `100/6h`.
    pub allow: String,
    /// Requests of one pull that count.
    pub n_counted: u64,
    /// Units that are left after it.
    pub left: u64,
}

/// The first refusal of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// The limit that refused.
    pub limit: String,
    /// When.
    pub after_ms: u64,
    /// The number of the node that met it, from 1.
    pub node: u32,
    /// With which status.
    pub status: u16,
}

/// What the pulls of `fleet` cost at a registry with this configuration, which is called `name`, if every request is made once.
///
/// # Errors
/// Everything that is wrong with the configuration.
pub fn cost(fleet: &Fleet, name: &str, registry: &RegistryConfig) -> Result<Cost, Vec<Diagnostic>> {
    let plan = fleet.plan(registry.asks_for_login());
    let alone = Accounting::of(registry).map_err(complain)?;
    let mut counted = BTreeMap::<String, u64>::new();
    let mut left = BTreeMap::new();
    let mut at = Duration::ZERO;
    for request in &plan {
        let outcome = alone.ask(&fleet.charge(0, request), after(Clock::DEFAULT_START, at));
        for limit in outcome.used {
            *counted.entry(limit).or_default() += 1;
        }
        left.extend(outcome.left);
        at += fleet.latency;
    }
    let limits = alone.limits().into_iter().filter_map(|limit| {
        let left = *left.get(&limit.name)?;
        let n_counted = counted.get(&limit.name).copied().unwrap_or_default();
        Some(LimitCost { allow: limit.allow.to_string(), limit: limit.name, n_counted, left })
    });
    Ok(Cost {
        registry: name.to_owned(),
        n_requests: plan.len(),
        limits: limits.collect(),
        reached: reach(fleet, registry, &plan)?,
    })
}

/// The first refusal, if every node makes each of its requests once.
fn reach(
    fleet: &Fleet,
    registry: &RegistryConfig,
    plan: &[PlannedRequest],
) -> Result<Option<Reached>, Vec<Diagnostic>> {
    let together = Accounting::of(registry).map_err(complain)?;
    let mut requests: Vec<_> = (0..fleet.n_nodes.get())
        .flat_map(|node| {
            let at = move |n| fleet.begin_of(node) + fleet.latency * n;
            (0_u32..).zip(plan).map(move |(n, request)| (at(n), node, request))
        })
        .collect();
    requests.sort_by_key(|(at, node, _)| (*at, *node));
    for (at, node, request) in requests {
        let outcome = together.ask(&fleet.charge(node, request), after(Clock::DEFAULT_START, at));
        if let Some(refused) = outcome.refused {
            let reached = Reached { limit: refused.limit, after_ms: to_ms(at), node: node + 1, status: refused.status };
            return Ok(Some(reached));
        }
    }
    Ok(None)
}

/// A table of costs, for people.
pub fn render(fleet: &Fleet, costs: &[Cost]) -> String {
    let mut rows = vec![["registry", "requests", "counts", "of limit", "a rollout is refused"].map(String::from)];
    for cost in costs {
        let reached = match &cost.reached {
            None => String::from("never"),
            Some(Reached { limit, after_ms, node, status }) => {
                let time = duration::print(Duration::from_millis(*after_ms));
                format!("after {time}, node {node}: {status} by `{limit}`")
            }
        };
        let mut reached = Some(reached);
        let touched: Vec<_> = cost.limits.iter().map(Some).collect();
        for limit in if touched.is_empty() { vec![None] } else { touched } {
            let is_first = reached.is_some();
            rows.push([
                if is_first { cost.registry.clone() } else { String::new() },
                if is_first { cost.n_requests.to_string() } else { String::new() },
                limit.map_or_else(|| String::from("-"), |limit| limit.n_counted.to_string()),
                limit.map_or_else(|| String::from("-"), |limit| format!("{} {}", limit.limit, limit.allow)),
                reached.take().unwrap_or_default(),
            ]);
        }
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..5).map(width).collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    let over =
        if fleet.over.is_zero() { String::from("at once") } else { format!("over {}", duration::print(fleet.over)) };
    let head = format!(
        "one pull with {}, and {} nodes behind {} {} that pull {over}\n",
        fleet.client.name,
        fleet.n_nodes,
        fleet.n_addresses,
        if fleet.n_addresses.get() == 1 { "address" } else { "addresses" },
    );
    head + &lines.collect::<Vec<_>>().join("\n") + "\n"
}
