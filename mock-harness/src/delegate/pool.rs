//! The account's delegates behind a handle. What is asked often is answered from a snapshot that holds until something
//! changes: a delegate that falls silent, is forgotten or comes back, a group that goes or gets other tags.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use rand::Rng;
use testbed::{Clock, Timestamp};

use super::{DelegateTask, Group, NoDelegateError, index::Index};
use crate::account::{Delegate, Scope};

/// The delegates of an account.
#[derive(Debug)]
pub(crate) struct DelegatePool {
    /// What hearts beat by; without one it is always the instant of the beginning.
    clock: OnceLock<Clock>,
    start: Timestamp,
    // A std mutex: critical sections are short, and none of them awaits.
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    delegates: Vec<Arc<Delegate>>,
    groups: BTreeMap<(Scope, String), Group>,
    index: Option<Arc<Index>>,
}

impl DelegatePool {
    /// `delegates` as they are registered at `start`. The tags of a group are those of all its replicas.
    pub(crate) fn new(delegates: Vec<Delegate>, start: Timestamp) -> Self {
        let mut kept = Kept::default();
        for delegate in &delegates {
            let last_beat = delegate.life.pulse(start).last_beat;
            let group = kept.groups.entry((delegate.owner.clone(), delegate.group.clone())).or_insert_with(|| Group {
                owner: delegate.owner.clone(),
                name: delegate.group.clone(),
                description: delegate.description.clone(),
                tags: Vec::new(),
                last_beat,
            });
            group.last_beat = group.last_beat.max(last_beat);
            group
                .tags
                .extend(delegate.tags.iter().filter(|tag| !group.tags.contains(tag)).cloned().collect::<Vec<_>>());
        }
        kept.delegates = delegates.into_iter().map(Arc::new).collect();
        kept.hand_down_tags();
        Self { clock: OnceLock::new(), start, kept: Mutex::new(kept) }
    }

    /// Lets hearts beat by `clock` from now on.
    pub(crate) fn follow(&self, clock: &Clock) {
        // Whoever came first decides.
        let _ = self.clock.set(clock.clone());
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.get().map_or(self.start, Clock::now)
    }

    /// The delegate that does `task`.
    ///
    /// # Errors
    /// There is none, in the platform's words.
    pub(crate) fn select(
        &self,
        task: &DelegateTask<'_>,
        random: &mut impl Rng,
    ) -> Result<Arc<Delegate>, NoDelegateError> {
        self.index(self.now()).select(task, random)
    }

    /// All delegates that are not forgotten.
    pub(crate) fn delegates(&self) -> Vec<Arc<Delegate>> {
        let now = self.now();
        let kept = self.lock();
        kept.delegates.iter().filter(|delegate| !delegate.life.pulse(now).is_forgotten).map(Arc::clone).collect()
    }

    /// All delegates that there ever were and that nobody deleted.
    pub(crate) fn registered(&self) -> Vec<Arc<Delegate>> {
        self.lock().delegates.clone()
    }

    /// The groups that are not forgotten, each with its replicas that are not.
    pub(crate) fn groups(&self) -> Vec<(Group, Vec<Arc<Delegate>>)> {
        let now = self.now();
        self.lock().groups_at(now)
    }

    /// Gives a group other tags, which are made of its own; none if there is no such group.
    pub(crate) fn change_tags(
        &self,
        owner: &Scope,
        group: &str,
        change: impl FnOnce(&[String]) -> Vec<String>,
    ) -> Option<Group> {
        let now = self.now();
        let mut kept = self.lock();
        let known = kept.groups_at(now).into_iter().map(|(group, _)| group);
        let mut group = known.into_iter().find(|known| known.owner == *owner && known.is_called(group))?;
        group.tags = change(&group.tags);
        kept.groups.insert((group.owner.clone(), group.name.clone()), group.clone());
        kept.hand_down_tags();
        Some(group)
    }

    /// Deletes a group with all of its replicas; false if there is no such group.
    pub(crate) fn delete(&self, owner: &Scope, group: &str) -> bool {
        let mut kept = self.lock();
        let mut names = kept.groups.values().filter(|known| known.owner == *owner && known.is_called(group));
        let Some(name) = names.next().map(|group| group.name.clone()) else { return false };
        kept.groups.remove(&(owner.clone(), name.clone()));
        kept.delegates.retain(|delegate| delegate.owner != *owner || delegate.group != name);
        kept.index = None;
        true
    }

    /// Lets those delegates beat that `concerns`, or silences them, whatever their plan was. Returns how many.
    pub(crate) fn turn(&self, beats: bool, concerns: impl Fn(&Delegate) -> bool) -> usize {
        let now = self.now();
        let mut kept = self.lock();
        let mut n_turned = 0;
        for delegate in kept.delegates.iter_mut().filter(|delegate| concerns(delegate)) {
            Arc::make_mut(delegate).life.turn_for_good(now, beats);
            n_turned += 1;
        }
        kept.index = None;
        n_turned
    }

    fn index(&self, now: Timestamp) -> Arc<Index> {
        let mut kept = self.lock();
        if let Some(index) = kept.index.as_ref().filter(|index| index.holds_at(now)) {
            return Arc::clone(index);
        }
        let index = Arc::new(Index::new(&kept.delegates, now));
        kept.index = Some(Arc::clone(&index));
        index
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // No critical section can be left half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn groups_at(&self, now: Timestamp) -> Vec<(Group, Vec<Arc<Delegate>>)> {
        let mut groups: BTreeMap<_, _> =
            self.groups.iter().map(|(key, group)| (key, (group.clone(), Vec::new()))).collect();
        for delegate in &self.delegates {
            let pulse = delegate.life.pulse(now);
            if let Some((group, replicas)) = groups.get_mut(&(delegate.owner.clone(), delegate.group.clone())) {
                group.last_beat = group.last_beat.max(pulse.last_beat);
                if !pulse.is_forgotten {
                    replicas.push(Arc::clone(delegate));
                }
            }
        }
        groups.into_values().filter(|(group, _)| !group.is_forgotten(now)).collect()
    }

    /// Gives every delegate the tags of its group.
    fn hand_down_tags(&mut self) {
        for delegate in &mut self.delegates {
            let group = self.groups.get(&(delegate.owner.clone(), delegate.group.clone()));
            if let Some(group) = group.filter(|group| group.tags != delegate.tags) {
                Arc::make_mut(delegate).tags.clone_from(&group.tags);
            }
        }
        self.index = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use testbed::Seed;

    use super::*;
    use crate::config::DelegateConfig;

    const MINUTE: Duration = Duration::from_secs(60);

    fn pool(configs: &[DelegateConfig]) -> (DelegatePool, Clock) {
        let clock = Clock::starting_at(Clock::DEFAULT_START);
        let start = clock.now();
        let made = configs.iter().map(|config| Delegate::from_config(config, start)).collect();
        let pool = DelegatePool::new(made, start);
        pool.follow(&clock);
        (pool, clock)
    }

    fn selected(pool: &DelegatePool, selectors: &[&str]) -> String {
        let selectors: Vec<_> = selectors.iter().map(|text| String::from(*text)).collect();
        let scope = Scope::account();
        let task = DelegateTask::initialize(&scope, &selectors);
        let selected = pool.select(&task, &mut Seed(1).stream("test"));
        selected.map_or_else(|error| error.to_string(), |delegate| delegate.name.clone())
    }

    #[test]
    fn a_delegate_that_stops_beating_is_missed_later_and_forgotten_after_six_hours() {
        let (pool, clock) = pool(&[DelegateConfig {
            disconnects_at: Some(MINUTE * 10),
            connects_at: Some(MINUTE * 60 * 24),
            ..DelegateConfig::new("a")
        }]);
        assert_eq!(selected(&pool, &[]), "a");
        clock.advance(MINUTE * 12);
        assert!(
            selected(&pool, &[]).starts_with("Active eligible delegates were unable to acquire the delegate task.")
        );
        clock.advance(MINUTE * 5);
        assert!(selected(&pool, &[]).contains("The following delegates a are inactive."));
        assert_eq!(pool.delegates().len(), 1);
        clock.advance(MINUTE * 60 * 6);
        assert!(selected(&pool, &[]).starts_with("There are no eligible delegates"));
        let [(group, replicas)] = &pool.groups()[..] else { panic!("a group stays for a week") };
        assert_eq!((group.identifier().as_str(), replicas.len()), ("_a", 0));
        clock.advance(MINUTE * 60 * 18);
        assert_eq!(selected(&pool, &[]), "a", "it came back");
        assert!(pool.turn(false, |delegate| delegate.token == "default_token") == 1);
        clock.advance(MINUTE * 60 * 24 * 7);
        assert!(pool.groups().is_empty(), "a week is over");
    }

    #[test]
    fn tags_are_the_groups() {
        let replica = |name: &str, tag: &str| DelegateConfig {
            group: Some(String::from("build farm")),
            tags: vec![String::from(tag)],
            ..DelegateConfig::new(name)
        };
        let (pool, _) = pool(&[replica("a", "linux"), replica("b", "arm")]);
        assert_eq!(selected(&pool, &["linux", "arm", "a"]), "a");
        assert_eq!(selected(&pool, &["Build Farm", "b"]), "b");
        let group = pool.change_tags(&Scope::account(), "_build_farm", |_| vec![String::from("new")]).unwrap();
        assert_eq!(group.all_tags(), ["build farm", "new"]);
        assert!(selected(&pool, &["linux"]).contains("don't have selectors [linux]"));
        assert_eq!(selected(&pool, &["NEW", "a"]), "a");
        assert!(pool.delete(&Scope::account(), "build farm"));
        assert!(!pool.delete(&Scope::account(), "build farm"));
        assert!(pool.registered().is_empty());
    }
}
