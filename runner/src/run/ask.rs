//! The steps `tags`, `head` and `referrers`.

use std::num::NonZeroU32;

use futures_util::{FutureExt as _, future::BoxFuture};
use puller::Looked;
use testbed::task::PullFailure;

use super::{At, Doer, Run, pull::since};
use crate::{
    check::{self, Checks, Seen},
    format::{HeadStep, ReferrersStep, TagsStep},
    outcome::Check,
};

impl Run<'_> {
    pub(super) async fn tags(&self, step: &TagsStep, at: At<'_>, doer: &Doer) -> Result<Vec<Check>, String> {
        let name = format!("tags of {}", step.of.value.repository());
        let page = step.page.map(NonZeroU32::get);
        let (puller, task) = (self.puller(step.caller(), None, at.number)?, self.task(step.caller(), doer)?);
        let ask = || puller.tags_as(&doer.participant, &task, page).boxed();
        let check =
            |seen: Seen<Vec<String>>, checks: &mut Checks| check::listed(&step.expect, &name, &seen, at.span, checks);
        self.ask_repeatedly(step.repeat, at.before, ask, check).await
    }

    pub(super) async fn head(&self, step: &HeadStep, at: At<'_>, doer: &Doer) -> Result<Vec<Check>, String> {
        let name = format!("head of {}", step.image.value.familiar());
        let (puller, task) = (self.puller(step.caller(), None, at.number)?, self.task(step.caller(), doer)?);
        let ask = || puller.head_as(&doer.participant, &task).boxed();
        let check = |seen, checks: &mut Checks| check::resolved(&step.expect, &name, &seen, at.span, checks);
        self.ask_repeatedly(step.repeat, at.before, ask, check).await
    }

    pub(super) async fn referrers(&self, step: &ReferrersStep, at: At<'_>, doer: &Doer) -> Result<Vec<Check>, String> {
        let name = format!("referrers of {}", step.image.value.familiar());
        let kind = step.artifact_type.as_ref();
        let (puller, task) = (self.puller(step.caller(), None, at.number)?, self.task(step.caller(), doer)?);
        let ask = || puller.referrers_as(&doer.participant, &task, kind).boxed();
        let check = |seen: Seen<_>, checks: &mut Checks| check::listed(&step.expect, &name, &seen, at.span, checks);
        self.ask_repeatedly(step.repeat, at.before, ask, check).await
    }

    /// Asks as often as the step says, until some check is false.
    async fn ask_repeatedly<'a, T>(
        &self,
        repeat: Option<NonZeroU32>,
        before: u64,
        ask: impl Fn() -> BoxFuture<'a, Result<Looked<T>, PullFailure>> + Send + Sync,
        check: impl Fn(Seen<T>, &mut Checks) + Send + Sync,
    ) -> Result<Vec<Check>, String> {
        let mut all = Vec::new();
        for _ in 0..repeat.map_or(1, NonZeroU32::get) {
            let begin = self.world.clock.now();
            let outcome = ask().await;
            let took = since(begin, self.world.clock.now());
            let mut checks = self.checks(before);
            check(Seen { outcome, took }, &mut checks);
            let checks = checks.done();
            let is_false = checks.iter().any(|check| !check.passed);
            all.extend(checks);
            if is_false {
                break;
            }
        }
        Ok(all)
    }
}
