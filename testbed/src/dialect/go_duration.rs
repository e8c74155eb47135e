//! Durations as Go prints them, which some registries put into their messages.

use std::time::Duration;

/// A duration as `Duration.String` of Go prints it: `880.092µs`, `1.5s`, `2m0s`, `1h0m0.25s`.
///
/// Below a second the unit is the largest that leaves at least 1 before the point; above it, hours and minutes stand before
/// the seconds. Zeros at the end of a fraction are left out.
pub fn go_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0 => String::from("0s"),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanos, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanos, 1_000_000)),
        _ => {
            const MINUTE: u128 = 60_000_000_000;
            let minutes = nanos / MINUTE;
            let seconds = format!("{}s", decimal(nanos % MINUTE, 1_000_000_000));
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

/// `count` in units of `unit`, which is a power of ten.
fn decimal(count: u128, unit: u128) -> String {
    let (whole, rest) = (count / unit, count % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let n_digits = unit.ilog10() as usize;
    format!("{whole}.{}", format!("{rest:0n_digits$}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_printed_as_go_prints_them() {
        // The values of the test table of Go's package `time`, and of the wire.
        for (nanos, expected) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (880_092, "880.092µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (480_000_000_001, "8m0.000000001s"),
            (1_363_636, "1.363636ms"),
            (60_000_000_000, "1m0s"),
            (3_600_000_000_000, "1h0m0s"),
            (21_600_000_000_000, "6h0m0s"),
        ] {
            assert_eq!(go_duration(Duration::from_nanos(nanos)), expected);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_in_print(nanos in any::<u64>()) {
            let text = go_duration(Duration::from_nanos(nanos));
            prop_assert_eq!(parse(&text), u128::from(nanos), "{}", text);
        }
    }

    /// What a printed duration means, in nanoseconds.
    fn parse(mut text: &str) -> u128 {
        let mut nanos = 0;
        while !text.is_empty() {
            let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap();
            let (number, rest) = text.split_at(end);
            let units: [(&str, u128); 6] = [
                ("ns", 1),
                ("µs", 1_000),
                ("ms", 1_000_000),
                ("s", 1_000_000_000),
                ("m", 60_000_000_000),
                ("h", 3_600_000_000_000),
            ];
            let (unit, factor) = units.into_iter().find(|(unit, _)| rest.starts_with(unit)).unwrap();
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            nanos += whole.parse::<u128>().unwrap() * factor;
            if !fraction.is_empty() {
                nanos += fraction.parse::<u128>().unwrap() * factor / 10_u128.pow(fraction.len() as u32);
            }
            text = &rest[unit.len()..];
        }
        nanos
    }
}
