//! Whatever can be parsed as an address is displayed as one that means the same.
#![no_main]

use evio::Address;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    match input.parse::<Address>() {
        Ok(address) => {
            let displayed = address.to_string();
            let again = displayed.parse::<Address>();
            let again = again.unwrap_or_else(|error| panic!("{displayed:?}: {error}"));
            assert_eq!(again, address, "{input:?} is displayed as {displayed:?}");
            assert_eq!(again.to_string(), displayed);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
