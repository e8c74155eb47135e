//! The scenario file: its types are its documentation.
//!
//! One struct per section, every field with unit and default; unknown keys are complaints. Values are parsed where they
//! are read; names and files are looked up later, by [`crate::plan`]. `scenarios/README.md` explains the format to people
//! and [`schema`] to editors.

mod ask;
mod entries;
mod expect;
mod scenario;
mod step;
mod time_range;

pub(crate) use ask::Caller;
pub use ask::{HeadExpect, HeadStep, ListExpect, ReferrersStep, TagsStep};
pub use entries::Entries;
pub use expect::{
    AnswerExpect, Count, ExecutionStatus, FailureExpect, PipelineExpect, PullExpect, PullResult, PushExpect,
    RegistryExpect, Seen, TextMatch, TimeSpan, ValueMatch,
};
pub use scenario::{Scenario, schema};
pub use step::{
    AdvanceStep, HarnessApiStep, HttpStep, ImageStep, LimitSetting, LimitStep, PipelineStep, PlatformName, PullStep,
    PushStep, RepeatStep, RuleStep, Step,
};
pub use time_range::TimeRange;
