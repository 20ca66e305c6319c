use std::io::ErrorKind;

use super::*;
use crate::sim::Faults;

fn bind(address: &str) -> io::Result<UdpSocket> {
    UdpSocket::bind(address.parse().unwrap(), &ListenOptions::default())
}

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[test]
fn a_datagram_is_given_once_and_cut_where_there_is_no_room() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let (mut all, client) = (bind("0.0.0.0:53").unwrap(), bind("10.0.0.9:0").unwrap());
    let (from, to) = (client.local_addr().unwrap(), "10.0.0.2:53".parse().unwrap());
    assert_eq!(client.send_to(b"question", to).unwrap(), 8);
    let mut buffer = [0; 4];
    assert_eq!(kind(all.recv_from(&mut buffer)), Some(ErrorKind::WouldBlock), "it is on its way");
    settle(&kernel);
    let received = all.recv_from(&mut buffer).unwrap();
    assert_eq!((received.len, received.peer), (4, from));
    assert_eq!(received.local, Some(to.ip()), "the address that it was sent to");
    assert_eq!(kind(all.recv_from(&mut buffer)), Some(ErrorKind::WouldBlock), "the rest is gone");
    assert!(kernel.check_datagram(from, to, b"answer").is_err(), "nobody has sent that");
    assert!(kernel.check_datagram(to, from, b"question").is_err(), "the other way");
    kernel.check_datagram(from, to, b"question").unwrap();
    assert!(kernel.check_datagram(from, to, b"question").is_err(), "it came once");
}

#[test]
fn an_address_is_shared_if_all_agree_and_a_peer_stays_with_one_socket() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let first = bind("10.0.0.1:53").unwrap();
    let shared = || {
        let options = ListenOptions::default().reuse_port(true);
        UdpSocket::bind("10.0.0.1:53".parse().unwrap(), &options)
    };
    assert_eq!(kind(shared()), Some(ErrorKind::AddrInUse));
    first.set_reuse_port().unwrap();
    let mut sockets = [first, shared().unwrap(), shared().unwrap()];
    for address in ["10.0.0.1:53", "0.0.0.0:53", "[::]:53"] {
        assert_eq!(kind(bind(address)), Some(ErrorKind::AddrInUse), "{address}");
    }
    bind("10.0.0.2:53").unwrap();
    let mut takers = [0; 3];
    for _ in 0..30 {
        let client = bind("10.0.0.9:0").unwrap();
        for _ in 0..2 {
            client.send_to(b"x", "10.0.0.1:53".parse().unwrap()).unwrap();
        }
        settle(&kernel);
        let counts = sockets.each_mut().map(|socket| {
            let received = std::iter::from_fn(|| socket.recv_from(&mut [0; 8]).ok());
            received.filter(|received| received.peer == client.local_addr().unwrap()).count()
        });
        let taker = counts.iter().position(|&count| count == 2).expect("one socket has both");
        takers[taker] += 1;
    }
    assert!(takers.iter().all(|&clients| clients > 0), "{takers:?}");
}

#[test]
fn who_asks_nobody_is_told_only_where_that_is_drawn() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let mut client = bind("10.0.0.9:0").unwrap();
    let nobody = "10.0.0.1:9".parse().unwrap();
    for (refuse, expected) in [(0.0, ErrorKind::WouldBlock), (1.0, ErrorKind::ConnectionRefused)] {
        kernel.set_faults(Faults { refuse, ..Faults::default() });
        client.send_to(b"hello", nobody).unwrap();
        settle(&kernel);
        assert_eq!(kind(client.recv_from(&mut [0; 8])), Some(expected));
    }
    assert_eq!(kernel.counts().drops, 2);
}

#[test]
fn groups_are_not_simulated() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let socket = bind("0.0.0.0:53").unwrap();
    let (group, any) = ("224.0.0.9".parse().unwrap(), "0.0.0.0".parse().unwrap());
    assert!(socket.join_multicast_v4(group, any).is_err());
}
