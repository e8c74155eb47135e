//! Presets: the real registries as data. Every value of those that come with the program has its source and evidence
//! mark.
//!
//! [`file`] is what may be written, [`read`] makes a preset of a text and complains with places, [`builtin`] has those
//! that come with the program, [`evidence`] says how each value is known, and [`describe`] tells a preset in words.

mod builtin;
mod describe;
mod evidence;
mod file;
mod read;
mod words;

pub(crate) use builtin::{DEFAULT, no_preset};
pub use builtin::{closest_preset, preset_about, preset_names};
pub use describe::{Description, Known, Section, Statement};
pub(crate) use file::PresetFile;
pub use read::{Preset, is_preset_file};
pub use testbed::evidence::{Evidence, Mark};
pub use words::answer_in_words;
