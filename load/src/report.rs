//! What a load has shown, as data and as text. Both are functions of the same numbers.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::Serialize;

use crate::{drive::Tally, histogram::Latencies};

/// What a load has shown. Rates and latencies are of successful operations, in wire time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Operations that succeeded.
    pub n_ok: u64,
    /// Operations that failed.
    pub n_failed: u64,
    /// The failed ones by kind and status: `rate-limited 429`.
    pub failures: BTreeMap<String, u64>,
    /// From the first operation's start to the last one's end.
    pub elapsed_ms: u64,
    /// Successful operations per second.
    pub pulls_per_second: f64,
    /// Bytes of blobs received by successful operations.
    pub received_bytes: u64,
    /// The same per second.
    pub bytes_per_second: f64,
    /// How long operations took.
    pub latency: LatencySummary,
}

/// How long operations took, in microseconds of wire time; all 0 if none succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LatencySummary {
    /// The shortest.
    pub min_us: u64,
    /// Half of them took no longer.
    pub p50_us: u64,
    /// Nine of ten took no longer.
    pub p90_us: u64,
    /// 99 of 100 took no longer.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
    /// The mean.
    pub mean_us: u64,
    /// The standard deviation, the spread around the mean.
    pub deviation_us: u64,
}

impl Report {
    pub(crate) fn new(tally: &Tally, elapsed: Duration) -> Self {
        let n_ok = tally.latencies.len();
        Self {
            n_ok,
            n_failed: tally.failures.values().sum(),
            failures: tally.failures.clone(),
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            pulls_per_second: per_second(n_ok, elapsed),
            received_bytes: tally.received_bytes,
            bytes_per_second: per_second(tally.received_bytes, elapsed),
            latency: LatencySummary::of(&tally.latencies),
        }
    }

    /// The report as JSON, indented, for a file.
    pub fn to_json(&self) -> String {
        // Text keys and finite numbers only.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl LatencySummary {
    /// The summary of `latencies`.
    pub fn of(latencies: &Latencies) -> Self {
        let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self {
            min_us: us(latencies.min()),
            p50_us: us(latencies.quantile(0.5)),
            p90_us: us(latencies.quantile(0.9)),
            p99_us: us(latencies.quantile(0.99)),
            max_us: us(latencies.max()),
            mean_us: us(latencies.mean()),
            deviation_us: us(latencies.deviation()),
        }
    }
}

fn per_second(n: u64, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 { n as f64 / seconds } else { 0.0 }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n_ok, n_failed, elapsed_ms, pulls_per_second, bytes_per_second, latency, .. } = self;
        let ms = |us: u64| Millis(us);
        writeln!(f, "{n_ok} ok, {n_failed} failed in {}", ms(elapsed_ms.saturating_mul(1000)))?;
        let mib_per_second = bytes_per_second / f64::from(1 << 20);
        writeln!(f, "rate       {pulls_per_second:.1} pulls/s, {mib_per_second:.1} MiB/s")?;
        let LatencySummary { min_us, p50_us, p90_us, p99_us, max_us, mean_us, deviation_us } = *latency;
        writeln!(f, "latency    p50 {}, p90 {}, p99 {}", ms(p50_us), ms(p90_us), ms(p99_us))?;
        write!(f, "spread     {} to {}, mean {} ± {}", ms(min_us), ms(max_us), ms(mean_us), ms(deviation_us))?;
        for (kind, n) in &self.failures {
            write!(f, "\nfailed     {n} x {kind}")?;
        }
        Ok(())
    }
}

/// Microseconds, printed as milliseconds.
struct Millis(u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} ms", self.0 / 1000, self.0 % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut tally = Tally { received_bytes: 3 << 20, ..Tally::default() };
        for ms in [1, 2, 3] {
            tally.latencies.record(Duration::from_millis(ms));
        }
        tally.failures.insert(String::from("rate-limited 429"), 2);
        Report::new(&tally, Duration::from_millis(1500))
    }

    #[test]
    fn the_text_has_rates_quantiles_spread_and_failures() {
        let expected = "3 ok, 2 failed in 1500.000 ms\n\
            rate       2.0 pulls/s, 2.0 MiB/s\n\
            latency    p50 2.000 ms, p90 3.001 ms, p99 3.001 ms\n\
            spread     1.000 ms to 3.001 ms, mean 2.000 ms ± 0.816 ms\n\
            failed     2 x rate-limited 429";
        assert_eq!(report().to_string(), expected);
    }

    #[test]
    fn the_json_has_the_same_numbers() {
        let json: serde_json::Value = serde_json::from_str(&report().to_json()).unwrap();
        assert_eq!(json["n_ok"], 3);
        assert_eq!(json["failures"]["rate-limited 429"], 2);
        assert_eq!(json["latency"]["p50_us"], 2000);
        assert_eq!(json["bytes_per_second"], 2_097_152.0);
    }

    #[test]
    fn nothing_at_all_is_a_report_too() {
        let report = Report::new(&Tally::default(), Duration::ZERO);
        assert_eq!((report.n_ok, report.pulls_per_second), (0, 0.0));
    }
}
