//! `WWW-Authenticate` and `Accept`, which clients and registries send each other: a challenge prints to one that reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oci::{Accept, Challenge, MediaType};

fuzz_target!(|header: &str| {
    for challenge in Challenge::parse_all(header) {
        assert_eq!(Challenge::parse_all(&challenge.to_string()), [challenge]);
    }
    // Neither the order of ranges nor their spread over lines matters.
    let admits = |accept: Accept<'_>| accept.admits(&MediaType::OCI_INDEX);
    assert_eq!(admits(Accept::parse([header])), admits(Accept::parse(header.rsplit(','))));
});
