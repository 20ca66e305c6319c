//! Which listeners get in each other's way.

use std::io::ErrorKind;

use super::*;

fn listen(address: &str, only_v6: bool) -> io::Result<Listener> {
    let options = ListenOptions::default().only_v6(only_v6);
    Listener::tcp(address.parse().unwrap(), &options)
}

#[test]
fn a_wildcard_takes_the_port_of_each_address() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let is_in_use = |first: &str, second: &str, only_v6: bool| {
        let _first = listen(first, only_v6).unwrap();
        let second = listen(second, only_v6);
        if let Err(error) = &second {
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
        }
        second.is_err()
    };
    for (first, second, expected) in [
        ("0.0.0.0:80", "127.0.0.1:80", true),
        ("127.0.0.1:80", "0.0.0.0:80", true),
        ("0.0.0.0:80", "[::]:80", true),
        ("[::]:80", "10.0.0.1:80", true),
        ("[::]:80", "[::1]:80", true),
        ("[::1]:80", "10.0.0.1:80", false),
        ("[::1]:80", "0.0.0.0:80", false),
        ("0.0.0.0:80", "127.0.0.1:81", false),
        ("10.0.0.1:80", "10.0.0.2:80", false),
    ] {
        assert_eq!(is_in_use(first, second, false), expected, "{first} and {second}");
    }
    assert!(!is_in_use("0.0.0.0:80", "[::]:80", true));
    assert!(!is_in_use("[::]:80", "127.0.0.1:80", true));
    assert!(is_in_use("[::]:80", "[::1]:80", true));
}

#[test]
fn a_listener_of_ipv6_alone_refuses_clients_of_ipv4() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    for (only_v6, of) in [(true, "10.0.0.1:80"), (false, "10.0.0.1:80"), (true, "[fd00::9]:80")] {
        let _listener = listen("[::]:80", only_v6).unwrap();
        let address: SocketAddr = of.parse().unwrap();
        let (client, _) = Stream::connect(&address.into()).unwrap();
        settle(&kernel);
        let refused = client.finish_connect().map_err(|error| error.kind());
        let expected = match only_v6 && address.is_ipv4() {
            true => Err(ErrorKind::ConnectionRefused),
            false => Ok(true),
        };
        assert_eq!(refused, expected, "{only_v6} {of}");
    }
}
