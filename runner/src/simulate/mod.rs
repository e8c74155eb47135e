//! A fleet that pulls one image, played without sockets: hours of policy time in moments.
//!
//! Each node asks what its client would ask, in that order, waits as that client waits, and gives up as it does. What becomes
//! of a request is decided by the limits of a registry, the same that a registry on a socket has. Around the client there may
//! be a kubelet, which begins a pull anew.
//!
//! The modules: `find` (clients and registries by name), `fleet` (who takes part), `node` (one node's way through its pull),
//! `run` (the events in their order), `report` (what came of it), `chart` (a picture of it).
//!
//! What is not played: the time that bytes take, several layers at once, failures other than refusals.

mod chart;
mod find;
mod fleet;
mod node;
mod report;
mod run;

pub(crate) use find::complain;
pub use find::{find_client, presets, registry};
pub use fleet::{Fleet, FleetError, Image, Restart};
pub(crate) use report::to_ms;
pub use report::{LimitUse, Moment, Simulation};
pub use run::simulate;

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Duration};

    use testbed::Seed;

    use super::*;
    use crate::cost;

    fn fleet(client: &str, n_nodes: u32) -> Fleet {
        Fleet {
            client: find_client(client).unwrap(),
            n_nodes: NonZeroU32::new(n_nodes).unwrap(),
            n_addresses: NonZeroU32::MIN,
            account: None,
            image: Image {
                repository: "library/alpine".parse().unwrap(),
                is_index: false,
                n_layers: 2,
                layer_bytes: 1 << 20,
            },
            over: Duration::ZERO,
            restart: Restart::Kubelet,
            latency: Duration::from_millis(50),
            until: Duration::from_secs(13 * 3600),
            seed: Seed(1),
        }
    }

    fn at_hub(fleet: &Fleet, limit: &str) -> Simulation {
        simulate(fleet, "dockerhub-anon", &registry("dockerhub-anon", Some(limit.parse().unwrap())).unwrap()).unwrap()
    }

    #[test]
    fn a_fleet_behind_one_address_gets_what_the_window_gives() {
        let played = at_hub(&fleet("containerd", 250), "100/6h");
        assert_eq!((played.n_pulled, played.n_under_way, played.n_gave_up), (250, 0, 0));
        // A hundred at once, a hundred after six hours, and the rest after twelve: each window as soon as a kubelet asks.
        let pulled_by = |hours: u64| {
            let is_before = |moment: &&Moment| moment.at_ms < hours * 3_600_000;
            played.moments.iter().filter(is_before).map(|moment| moment.n_pulled).sum::<u64>()
        };
        assert_eq!((pulled_by(5), pulled_by(11), pulled_by(13)), (100, 200, 250));
        assert_eq!(played.limits[0].n_used, 250);
        assert_eq!(played.largest_herd, 150);
    }

    #[test]
    fn clients_spend_what_their_policies_make_them() {
        let refused_of_one = |client| {
            let alone = Fleet { restart: Restart::Never, ..fleet(client, 3) };
            let played = at_hub(&alone, "1/6h");
            assert_eq!((played.n_pulled, played.n_gave_up), (1, 2), "{client}");
            played.n_refused / 2
        };
        // The requests under a 429 that does not end: facts/registry E1.
        assert_eq!(refused_of_one("docker"), 1);
        assert_eq!(refused_of_one("containerd"), 5);
        assert_eq!(refused_of_one("skopeo"), 5);
        assert_eq!(refused_of_one("podman"), 20);
        assert_eq!(refused_of_one("crane"), 3);
        assert_eq!(refused_of_one("oras"), 6);
        assert_eq!(refused_of_one("oci-client"), 1);
    }

    #[test]
    fn the_same_seed_plays_the_same_and_another_one_does_not() {
        let json =
            |seed| serde_json::to_string(&at_hub(&Fleet { seed: Seed(seed), ..fleet("oras", 20) }, "5/1h")).unwrap();
        assert_eq!(json(1), json(1));
        assert_ne!(json(1).replace("\"seed\":1", ""), json(2).replace("\"seed\":2", ""));
    }

    #[test]
    fn a_rollout_reaches_the_limit_when_the_hundredth_pull_was_made() {
        let fleet = Fleet { over: Duration::from_secs(1200), ..fleet("docker", 120) };
        let cost = cost::cost(&fleet, "dockerhub-anon", &registry("dockerhub-anon", None).unwrap()).unwrap();
        assert_eq!(
            (cost.limits[0].limit.as_str(), cost.limits[0].n_counted, cost.limits[0].left),
            ("anonymous", 1, 99)
        );
        let reached = cost.reached.unwrap();
        // One node every ten seconds; the manifest is the fourth request, behind version check, token and HEAD.
        assert_eq!((reached.node, reached.after_ms, reached.status), (101, 1_000_150, 429));
    }

    #[test]
    fn a_picture_is_drawn() {
        let svg = at_hub(&fleet("containerd", 20), "5/1h").draw().unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("20 nodes with containerd at dockerhub-anon"), "{svg}");
        assert!(svg.contains("refused") && svg.contains("policy time in h"), "{svg}");
    }

    #[test]
    fn a_client_that_nobody_knows_is_told_its_nearest() {
        let complaint = find_client("contained").unwrap_err();
        assert!(complaint.render(false).contains("did you mean `containerd`?"), "{}", complaint.render(false));
    }
}
