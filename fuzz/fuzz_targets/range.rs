//! Ranges of downloads and uploads: resolved ones lie within the content, and what parses prints to what parses to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oci::{ContentRange, RangeSet, ResolvedRange};

fuzz_target!(|text: &str| {
    if let Ok(set) = text.parse::<RangeSet>() {
        assert_eq!(set.to_string().parse::<RangeSet>().as_ref(), Ok(&set));
        for size in [0, 1, 10, u64::MAX] {
            for range in set.resolve(size) {
                assert!(range.first <= range.last && range.last < size);
                assert!(range.size_bytes() <= size);
            }
        }
    }
    if let Ok(range) = text.parse::<ResolvedRange>() {
        assert_eq!(range.to_string().parse(), Ok(range));
    }
    if let Ok(range) = text.parse::<ContentRange>() {
        assert_eq!(range.to_string().parse(), Ok(range));
    }
});
