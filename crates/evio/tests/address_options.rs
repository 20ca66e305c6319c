//! What follows the `?` of an address.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use evio::{Address, Endpoint, Host, ParseAddressErrorKind};

fn parse(input: &str) -> Address {
    input.parse().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn values_of_reuseport() {
    let on = "1 2 3 4 5 6 7 8 9 t T true TRUE True y Y yes YES";
    let off = "0 f F false FALSE n N no NO";
    let refused = ["", "10", "01", "-1", "on", "off", "tru", "trueish", " true", "true ", "ｔrue"];
    for (values, flag) in [(on, true), (off, false)] {
        for value in values.split(' ') {
            let address = parse(&format!("udp://:9000?reuseport={value}"));
            assert_eq!(address.reuse_port(), flag, "{value:?}");
            let any = Endpoint::Inet { host: Host::Any, port: 9000 };
            assert_eq!(*address.endpoint(), any, "{value:?}");
        }
    }
    for value in refused {
        let error = format!("tcp://:1?reuseport={value}").parse::<Address>().unwrap_err();
        assert_eq!(error.kind(), ParseAddressErrorKind::InvalidOptionValue, "{value:?}");
        assert_eq!(error.part(), format!("reuseport={value}"), "{value:?}");
    }
}

#[test]
fn the_mode_of_a_socket_file_is_octal() {
    for (input, mode, display) in [
        ("unix://a", None, "unix://a"),
        ("unix://a?mode=660", Some(0o660), "unix://a?mode=660"),
        ("unix://a?mode=0600", Some(0o600), "unix://a?mode=600"),
        ("unix://a?b?mode=007", Some(0o007), "unix://a?b?mode=007"),
    ] {
        let address = parse(input);
        assert_eq!(address.mode(), mode, "{input}");
        assert_eq!(address.to_string(), display, "{input}");
    }
}

#[test]
fn reuseport_is_displayed_only_when_on() {
    for (input, displayed) in [
        ("tcp://h:1?reuseport=Y", "tcp://h:1?reuseport=true"),
        ("tcp://?reuseport=1", "tcp://:0?reuseport=true"),
        (":1?reuseport=1", "tcp://:1?reuseport=true"),
        ("udp6://[::1]:9000?reuseport=true", "udp6://[::1]:9000?reuseport=true"),
        ("tcp://h:1?&reuseport=1&", "tcp://h:1?reuseport=true"),
        ("tcp://h:1?reuse%70ort=%31", "tcp://h:1?reuseport=true"),
        ("tcp://h:1?reuseport=no", "tcp://h:1"),
    ] {
        let address = parse(input);
        assert_eq!(address.to_string(), displayed, "{input:?}");
        assert_eq!(parse(displayed), address, "{input:?}");
    }
}
