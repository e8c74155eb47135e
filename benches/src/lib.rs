//! What the benches share: a runtime, the two clocks that are read, a line beside Criterion's own, the smallest client, and
//! `pullrig serve` as a process of its own.
//!
//! Figures are ratios within one run: each group has what is measured beside a bound (the hash alone, a bare handler, a bare
//! counter), so that the speed of the machine drops out. CPU seconds are printed where they say more than wall time on a
//! machine that does much else; client and server are in one process, so they are the sum of both.

mod discard;
mod keep_alive;
mod platform;
mod push_blob;
mod serve;

use std::{
    fs, io,
    time::{Duration, Instant},
};

use criterion::Criterion;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};

pub use discard::Discard;
pub use keep_alive::KeepAlive;
pub use platform::{api_request, docker_connector, start_platform};
pub use push_blob::push_blob;
pub use serve::Serve;

/// Criterion with little patience: all benches together take a few minutes.
pub fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args()
}

/// A runtime like that of `pullrig`.
///
/// # Panics
/// It cannot be started.
pub fn runtime() -> Runtime {
    Builder::new_multi_thread().enable_all().build().expect("a runtime can be started")
}

/// Wire time.
#[expect(clippy::disallowed_methods, reason = "benches measure wire time")]
pub fn now() -> Instant {
    Instant::now()
}

/// The processor time that this process has used so far, all threads together.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    // Such a clock starts at 0 and only grows.
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// How much memory a process has, as `field` of its status tells: `VmRSS` now, `VmHWM` at most so far. `process` is its id,
/// or `self`.
///
/// # Errors
/// This is not Linux, which alone tells it.
pub fn memory_mib(process: &str, field: &str) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib: Option<f64> = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kib.map(|kib| kib / 1024.0).ok_or_else(|| io::Error::other("the system does not tell it"))
}

/// Prints a figure, or why there is none, beside what Criterion prints.
#[expect(clippy::print_stdout, reason = "figures are data, as Criterion's are")]
pub fn say(line: &str) {
    println!("{line}");
}

/// Processor time, and the work that it was used for.
#[derive(Debug, Default)]
pub struct Cost {
    cpu: Duration,
    n_units: u64,
}

impl Cost {
    /// Adds what has been used since `before`, a [`cpu_time`], for `n_units` of work.
    pub fn add_since(&mut self, before: Duration, n_units: u64) {
        self.cpu += cpu_time().saturating_sub(before);
        self.n_units += n_units;
    }

    /// CPU seconds for `n_units` of work; none if there was no work.
    pub fn seconds_per(&self, n_units: f64) -> Option<f64> {
        (self.n_units > 0).then(|| self.cpu.as_secs_f64() * n_units / self.n_units as f64)
    }
}
