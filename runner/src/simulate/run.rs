//! The events of a simulation, in the order of their instants.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use mock_registry::{Accounting, Charge, Outcome, RegistryConfig};
use puller::PlannedRequest;
use testbed::{Clock, clock::after, diagnostic::Diagnostic};

use super::{
    Fleet, Simulation, complain,
    node::{Next, Node, Refusal},
    report::Recorder,
};

/// Plays `fleet` against the limits of a registry with this configuration, which is called `name`.
///
/// # Errors
/// Everything that is wrong with the configuration.
pub fn simulate(fleet: &Fleet, name: &str, registry: &RegistryConfig) -> Result<Simulation, Vec<Diagnostic>> {
    let accounting = Accounting::of(registry).map_err(complain)?;
    let plan = fleet.plan(registry.asks_for_login());
    let mut nodes: Vec<_> = (0..fleet.n_nodes.get())
        .map(|node| Node::new(&fleet.client, &plan, fleet.restart, fleet.seed.child(&format!("node {node}"))))
        .collect();
    // One instant, and the number of the event: what is due at the same time happens in the order in which it was planned.
    let mut due = BinaryHeap::new();
    let mut n_planned = 0_u64;
    for node in 0..fleet.n_nodes.get() {
        due.push(Reverse((fleet.begin_of(node), n_planned, node)));
        n_planned += 1;
    }
    let mut recorder = Recorder::new(fleet);
    while let Some(Reverse((at, _, number))) = due.pop() {
        if at > fleet.until {
            break;
        }
        let Some(node) = usize::try_from(number).ok().and_then(|n| nodes.get_mut(n)) else { continue };
        let Some(request) = node.request() else { continue };
        let outcome = ask(fleet, &accounting, number, &request, at);
        recorder.asked(at, number, &request, &outcome);
        let next = match &outcome.refused {
            None => node.succeed(),
            Some(refused) => node.refuse(Refusal {
                status: refused.status,
                retry_after: refused.retry_after.map(|wait| wait.as_secs().to_string()),
                now: after(Clock::DEFAULT_START, at),
            }),
        };
        let ready = at + fleet.latency;
        match next {
            Next::After(wait) | Next::AnewAfter(wait) => {
                if matches!(next, Next::AnewAfter(_)) {
                    recorder.began_anew();
                }
                due.push(Reverse((ready.saturating_add(wait), n_planned, number)));
                n_planned += 1;
            }
            Next::Pulled => recorder.pulled(ready),
            Next::GaveUp => recorder.gave_up(),
        }
    }
    Ok(recorder.finish(fleet, name, &accounting.limits()))
}

fn ask(fleet: &Fleet, accounting: &Accounting, node: u32, request: &PlannedRequest, at: Duration) -> Outcome {
    let charge: Charge<'_> = fleet.charge(node, request);
    accounting.ask(&charge, after(Clock::DEFAULT_START, at))
}
