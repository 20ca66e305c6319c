//! What cannot be listened on is an error that names the address, and leaves nothing behind.

mod util;

use std::error::Error as _;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use evio::{Error, Events, Server};

use util::{Client, bind, start, unix_address};

/// Checks that `addresses` are refused with an error about `part`, by both ways of serving, and
/// that no callback is called.
#[track_caller]
fn check_refused(addresses: &[&str], part: &str) {
    let never = || Events::new().serving(|_, _| panic!("serving was called"));
    let errors = [
        Server::bind(addresses.iter().copied()).expect_err("a bad address is bound"),
        never().serve(addresses.iter().copied()).expect_err("a bad address is served"),
        evio::serve(never(), addresses.iter().copied()).expect_err("a bad address is served"),
    ];
    for error in errors {
        assert!(error.to_string().contains(part), "{addresses:?}: {error}");
        let Error::Address(cause) = &error else { panic!("{addresses:?}: {error:?}") };
        assert_eq!(cause.part(), part, "{addresses:?}");
        assert!(error.source().is_none(), "{addresses:?}: its text would be printed twice");
    }
}

#[test]
fn bad_addresses_are_errors_that_name_the_part() {
    check_refused(&["tulip://howdy"], "tulip");
    check_refused(&["howdy"], "howdy");
    check_refused(&["tcp://127.0.0.1:0", "tulip://howdy"], "tulip");
    check_refused(&["tcp://127.0.0.1:99999"], "99999");
    check_refused(&["tcp://127.0.0.1:0?reuseport=perhaps"], "reuseport=perhaps");
    check_refused(&["udp6://127.0.0.1:0"], "127.0.0.1");
}

#[test]
fn an_address_without_a_port_number_gets_one() {
    for address in ["tcp://:0", "tcp://", ":0", "tcp-net://:0", "TCP://127.0.0.1:0"] {
        let server = start(bind(address), Events::new);
        let port = server.addrs()[0].addr().as_inet().unwrap().port();
        assert_ne!(port, 0, "{address}");
        let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        drop(client);
        server.stop();
    }
}

#[test]
fn no_address_is_an_error() {
    let error = Server::bind(Vec::<&str>::new()).unwrap_err();
    assert!(matches!(error, Error::NoAddress), "{error:?}");
    assert!(error.source().is_none());
}

#[test]
fn an_address_in_use_is_an_error() {
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", occupied.local_addr().unwrap());
    let error = Server::bind([&*address]).unwrap_err();
    assert!(error.to_string().contains(&address), "{error}");
    let Error::Bind { address: named, source } = error else { panic!("{error:?}") };
    assert_eq!(named.to_string(), address);
    assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
}

/// Ours is as good as anybody's.
#[test]
fn two_servers_cannot_share_a_port_without_reuseport() {
    if util::left_out_without_shared_ports() {
        return;
    }
    for address in ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"] {
        let server = bind(address);
        let taken = server.local_addrs()[0].to_string();
        for taken in [taken.clone(), format!("{taken}?reuseport=true")] {
            let error = Server::bind([&*taken]).unwrap_err();
            let Error::Bind { source, .. } = error else { panic!("{error:?}") };
            assert_eq!(source.kind(), io::ErrorKind::AddrInUse, "{taken}");
        }
    }
}

/// What the system says of these is for those who know it: "Cannot assign requested address".
#[test]
fn an_address_that_cannot_be_listened_on_is_an_error_that_says_what_to_do() {
    let missing = unix_address();
    let cases = [
        // Set aside for documentation; no machine has them.
        ("tcp://192.0.2.1:0", "192.0.2.1", "0.0.0.0"),
        ("udp://192.0.2.1:0", "192.0.2.1", "0.0.0.0"),
        ("tcp://[2001:db8::1]:0", "2001:db8::1", "[::]"),
        ("tcp://[fe80::1]:0", "fe80::1", "[fe80::1%eth0]"),
        (&format!("{missing}/socket"), &missing["unix://".len()..], "does not exist"),
    ];
    for (address, subject, advice) in cases {
        let error = Server::bind([address]).unwrap_err();
        let Error::Bind { source, .. } = error else { panic!("{error:?}") };
        let words = source.to_string();
        assert!(words.contains(subject) && words.contains(advice), "{address}: {words}");
    }
    let error = Server::bind(["tcp://192.0.2.1:0"]).unwrap_err();
    let Error::Bind { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), io::ErrorKind::AddrNotAvailable);
}

/// The first address is bound when the second one fails.
#[test]
fn a_failed_bind_gives_back_what_it_had() {
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = unix_address();
    let path = Path::new(unix.trim_start_matches("unix://"));
    let tcp = format!("tcp://{}", occupied.local_addr().unwrap());
    let error = Server::bind([&*unix, &*tcp]).unwrap_err();
    let Error::Bind { address, .. } = error else { panic!("{error:?}") };
    assert_eq!(address.to_string(), tcp);
    assert!(!path.exists(), "the socket file was left behind");
    drop(bind(&unix));
}

/// Tells whether a new server at `address` answers at a loopback address.
fn serves(address: &str, loopback: &str) -> bool {
    let server = start(bind(address), || {
        Events::new().data(|conn, _, input| {
            conn.write(input);
            evio::Action::None
        })
    });
    let port = server.addrs()[0].addr().as_inet().expect("a TCP address").port();
    let place: SocketAddr = format!("{loopback}:{port}").parse().expect("an address");
    let client = Client::try_connect(&place.into());
    let served = client.is_ok();
    if let Ok(client) = client {
        client.echo(b"hello");
    }
    server.stop();
    served
}

/// A wildcard listens for both families, unless the scheme names one.
#[test]
fn schemes_choose_the_family() {
    let cases = [
        ("tcp://:0", true, true),
        ("tcp4://:0", true, false),
        ("tcp6://:0", false, true),
        ("tcp4://*:0", true, false),
        ("tcp://0.0.0.0:0", true, false),
        ("tcp://[::]:0", false, true),
        ("tcp://127.0.0.1:0", true, false),
        ("tcp://[::1]:0", false, true),
        // An IPv4 address in the form of the other family.
        ("tcp://[::ffff:127.0.0.1]:0", true, false),
        ("tcp6://[::ffff:0.0.0.0]:0", true, false),
        ("tcp4://localhost:0", true, false),
    ];
    for (address, v4, v6) in cases {
        for (loopback, expected) in [("127.0.0.1", v4), ("[::1]", v6)] {
            if expected {
                assert!(serves(address, loopback), "{address} does not serve {loopback}");
            } else {
                // Somebody else may happen to use the same port of the other family.
                let refused = (0..3).any(|_| !serves(address, loopback));
                assert!(refused, "{address} serves {loopback}");
            }
        }
    }
}
