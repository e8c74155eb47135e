//! Names of images and their parts, and the other words of the field: what parses prints to what parses to the same.
#![no_main]

use std::{
    fmt::{Debug, Display},
    str::FromStr,
};

use libfuzzer_sys::fuzz_target;
use oci::{
    ByteSize, Digest, ImageReference, MediaType, Platform, Principal, PullLimit, Reference, RegistryHost,
    RepositoryName, Scope, Tag, UploadId,
};

fuzz_target!(|text: &str| {
    hold::<ImageReference>(text);
    hold::<RegistryHost>(text);
    hold::<RepositoryName>(text);
    hold::<Reference>(text);
    hold::<Tag>(text);
    hold::<Digest>(text);
    hold::<UploadId>(text);
    hold::<MediaType>(text);
    hold::<Platform>(text);
    hold::<Principal>(text);
    hold::<Scope>(text);
    hold::<PullLimit>(text);
    hold::<ByteSize>(text);
});

fn hold<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().expect("what is printed parses"), value);
    }
}
