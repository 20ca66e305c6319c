//! A PROXY header is read the same however it is split, and what is written is read again.
#![no_main]

use evio_examples::proxy::header::{MAX_HEADER, Parsed, Version, parse, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let outcome = parse(input);
    // Before it is decided, all of its beginnings are undecided, or wrong already.
    for len in 0..input.len().min(MAX_HEADER) {
        match (parse(&input[..len]), outcome) {
            (Ok(Parsed::Incomplete), _) | (Err(_), Err(_)) => {}
            (Ok(early), Ok(later)) => assert_eq!(early, later),
            (early, later) => panic!("{early:?} after {len} bytes, then {later:?}"),
        }
    }
    match outcome {
        Ok(Parsed::Incomplete) => assert!(input.len() < MAX_HEADER),
        Ok(Parsed::Header { len, addresses }) => {
            assert!(len <= input.len().min(MAX_HEADER));
            for version in [Version::V1, Version::V2] {
                let mut output = Vec::new();
                write(version, addresses, &mut output);
                let again = parse(&output).expect("what is written is a header");
                assert!(matches!(again, Parsed::Header { len, .. } if len == output.len()));
            }
        }
        Err(_) => {}
    }
});
