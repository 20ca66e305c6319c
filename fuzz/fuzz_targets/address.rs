//! Any string is an address with one meaning, or is refused with words about it.
#![no_main]

use evio::Address;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    match input.parse::<Address>() {
        Ok(address) => assert_eq!(address.to_string().parse(), Ok(address)),
        Err(error) => {
            assert_eq!(error.input(), input);
            assert!(error.to_string().contains(&format!("{:?}", error.part())));
        }
    }
});
