//! The path of a request: what is an endpoint prints to a path that is the same endpoint.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oci::Endpoint;

fuzz_target!(|path: &str| {
    for endpoint in [Endpoint::parse(path), Endpoint::parse_bare(path)].into_iter().flatten() {
        assert_eq!(Endpoint::parse(&endpoint.path()).as_ref(), Ok(&endpoint));
    }
});
