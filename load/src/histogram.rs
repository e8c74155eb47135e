//! How long operations took: a histogram in microseconds, exact to three digits, that merges with others.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Digits that are kept of each duration.
const DIGITS: u8 = 3;

/// The durations of many operations. Its size does not depend on how many there are.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

impl Latencies {
    /// No operation yet.
    pub fn new() -> Self {
        // One to five digits are allowed, and three are asked for.
        Self(Histogram::new(DIGITS).expect("the number of digits is a valid constant"))
    }

    /// One more operation. Less than a microsecond counts as one, more than an hour as an hour.
    pub fn record(&mut self, took: Duration) {
        const HOUR_US: u64 = 3_600_000_000;
        let us = u64::try_from(took.as_micros()).unwrap_or(HOUR_US).clamp(1, HOUR_US);
        // The histogram grows as needed; a value that it could not hold after all is counted at its end.
        if self.0.record(us).is_err() {
            self.0.saturating_record(us);
        }
    }

    /// Adds the operations of `other`.
    pub fn merge(&mut self, other: &Self) {
        // Both grow as needed, so the sum always fits.
        self.0.add(&other.0).expect("a histogram that grows holds what another one holds");
    }

    /// How many operations there are.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The duration that `share` (from 0 to 1) of the operations did not exceed.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(share))
    }

    /// The shortest.
    pub fn min(&self) -> Duration {
        Duration::from_micros(if self.is_empty() { 0 } else { self.0.min() })
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }

    /// The mean.
    pub fn mean(&self) -> Duration {
        micros(self.0.mean())
    }

    /// The standard deviation: the spread around the mean.
    pub fn deviation(&self) -> Duration {
        micros(self.0.stdev())
    }
}

fn micros(us: f64) -> Duration {
    Duration::try_from_secs_f64(us / 1e6).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(ms: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::new();
        for ms in ms {
            latencies.record(Duration::from_millis(ms));
        }
        latencies
    }

    fn is_near(actual: Duration, ms: f64) -> bool {
        (actual.as_secs_f64() * 1e3 - ms).abs() <= ms * 0.002
    }

    #[test]
    fn known_samples_have_known_quantiles() {
        let latencies = recorded(1..=1000);
        assert_eq!(latencies.len(), 1000);
        assert!(is_near(latencies.quantile(0.5), 500.0));
        assert!(is_near(latencies.quantile(0.9), 900.0));
        assert!(is_near(latencies.quantile(0.99), 990.0));
        assert!(is_near(latencies.min(), 1.0));
        assert!(is_near(latencies.max(), 1000.0));
        assert!(is_near(latencies.mean(), 500.5));
        // The deviation of 1..=n is sqrt((n² - 1) / 12).
        assert!(is_near(latencies.deviation(), 288.675));
    }

    #[test]
    fn merged_parts_are_the_whole() {
        let mut merged = recorded(1..=300);
        merged.merge(&recorded(301..=1000));
        merged.merge(&Latencies::new());
        let whole = recorded(1..=1000);
        assert_eq!(merged.len(), whole.len());
        for share in [0.0, 0.25, 0.5, 0.9, 0.99, 1.0] {
            assert_eq!(merged.quantile(share), whole.quantile(share));
        }
    }

    #[test]
    fn extremes_and_emptiness_are_harmless() {
        let mut latencies = Latencies::new();
        assert_eq!((latencies.min(), latencies.max(), latencies.mean()), Default::default());
        latencies.record(Duration::ZERO);
        latencies.record(Duration::MAX);
        assert_eq!(latencies.len(), 2);
        assert_eq!(latencies.min(), Duration::from_micros(1));
        assert!(is_near(latencies.max(), 3_600_000.0));
    }
}
