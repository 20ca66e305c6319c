use std::net::UdpSocket;

use crate::datagram::bound_udp::BoundUdp;
use crate::turn::tests::Fixture;
use crate::types::limits::Limits;

/// The error comes of a datagram that the peer was sent after it had ended.
#[test]
fn an_error_about_an_earlier_datagram_does_not_keep_others_waiting() {
    let mut fixture = Fixture::new(Limits::default());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let elsewhere = socket.try_clone().unwrap();
    let state = &mut fixture.runner.state;
    state.datagrams.add(BoundUdp::new(0, socket.try_into().unwrap()), &state.poller).unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    elsewhere.connect(peer.local_addr().unwrap()).unwrap();
    peer.send_to(b"last words", elsewhere.local_addr().unwrap()).unwrap();
    drop(peer);
    elsewhere.send(b"?").unwrap();
    fixture.runner.receive_datagrams(0);
    assert_eq!(fixture.calls(), ["datagram: last words"]);
}
