//! Peers on hosts of their own.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net as unix;
use std::path::Path;

use super::*;
use crate::net::UnixName;

const HOSTS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 1, 0, 1), Ipv4Addr::new(10, 1, 0, 2)];

fn on_host<T>(kernel: &Kernel, host: Ipv4Addr, make: impl FnOnce() -> io::Result<T>) -> T {
    kernel.act_as_peer(true);
    kernel.set_peer_host(host);
    let made = make().unwrap();
    kernel.act_as_peer(false);
    made
}

fn client(kernel: &Kernel, host: Ipv4Addr, address: SocketAddr) -> Stream {
    let (client, _) = on_host(kernel, host, || Stream::connect(&address.into()));
    settle(kernel);
    client
}

fn udp(address: &str) -> io::Result<UdpSocket> {
    UdpSocket::bind(address.parse().unwrap(), &ListenOptions::default())
}

#[test]
fn each_host_has_an_ipv6_address_that_it_is_cut_off_by() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let address: SocketAddr = "[fd00::9]:80".parse().unwrap();
    let listener = Listener::tcp(address, &ListenOptions::default()).unwrap();
    let clients = HOSTS.map(|host| client(&kernel, host, address));
    let servers = [(); 2].map(|()| listener.accept().unwrap().0);
    let ips = clients.each_ref().map(|client| client.local_addr().unwrap().as_inet().unwrap().ip());
    assert_ne!(ips[0], ips[1]);
    kernel.set_cut_off(HOSTS[0].into(), true);
    for client in &clients {
        client.send(b"x").unwrap();
    }
    settle(&kernel);
    let received = servers.each_ref().map(|server| server.recv(&mut [0; 8]).is_ok());
    assert_eq!(received, [false, true]);
}

#[test]
fn each_host_has_udp_ports_of_its_own() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let mut program = udp("0.0.0.0:68").unwrap();
    let mut peers = HOSTS.map(|host| on_host(&kernel, host, || udp("0.0.0.0:68")));
    kernel.act_as_peer(true);
    assert_eq!(udp("0.0.0.0:68").unwrap_err().kind(), ErrorKind::AddrInUse);
    kernel.act_as_peer(false);
    let sender = udp("10.0.0.9:0").unwrap();
    for to in HOSTS.map(IpAddr::from).into_iter().chain(["10.0.0.3".parse().unwrap()]) {
        sender.send_to(to.to_string().as_bytes(), (to, 68).into()).unwrap();
    }
    settle(&kernel);
    let received = |socket: &mut UdpSocket| {
        let mut buffer = [0; 20];
        let len = socket.recv_from(&mut buffer).unwrap().len;
        assert!(socket.recv_from(&mut [0; 20]).is_err(), "it was for another");
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    };
    assert_eq!(received(&mut program), "10.0.0.3");
    assert_eq!(peers.each_mut().map(received), HOSTS.map(|host| host.to_string()));
}

#[test]
fn a_host_is_cut_off_with_every_address_that_its_udp_sockets_have() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let mut program = udp("10.0.0.1:53").unwrap();
    let mut peer = on_host(&kernel, HOSTS[0], || udp("10.0.0.9:53"));
    for is_cut_off in [true, false] {
        kernel.set_cut_off(HOSTS[0].into(), is_cut_off);
        peer.send_to(b"x", program.local_addr().unwrap()).unwrap();
        program.send_to(b"x", peer.local_addr().unwrap()).unwrap();
        settle(&kernel);
        let received = [&mut program, &mut peer].map(|end| end.recv_from(&mut [0; 8]).is_ok());
        assert_eq!(received, [!is_cut_off; 2]);
    }
}

#[test]
fn connections_of_unix_sockets_are_counted_and_described() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let path = Path::new("/run/x.sock");
    let listener = Listener::unix(UnixName::Path(path), &ListenOptions::default()).unwrap();
    let address = unix::SocketAddr::from_pathname(path).unwrap();
    let client = on_host(&kernel, HOSTS[0], || Stream::connect(&address.into())).0;
    assert_eq!(kernel.open_streams(), 0, "nobody has accepted it");
    let server = listener.accept().unwrap().0;
    assert_eq!(kernel.open_streams(), 1);
    server.send(b"unread").unwrap();
    let description = kernel.describe_host(HOSTS[0].into());
    assert!(description.contains("6 bytes unread"), "{description}");
    assert_eq!(kernel.describe_host(HOSTS[1].into()), "no connection");
    drop((client, server));
    assert_eq!(kernel.open_streams(), 0);
}

#[test]
fn descriptions_are_in_the_order_of_time_whatever_the_descriptors_are() {
    let describe = |has_hole: bool| {
        let kernel = Kernel::new(1, Options::default()).unwrap();
        let _entered = kernel.enter();
        let _listener = Listener::tcp(address(), &ListenOptions::default()).unwrap();
        let hole = has_hole.then(|| std::fs::File::open("/dev/null").unwrap());
        let first = client(&kernel, HOSTS[0], address());
        drop(hole);
        let second = client(&kernel, HOSTS[0], address());
        let description = kernel.describe_host(HOSTS[0].into());
        drop((first, second));
        description
    };
    assert_eq!(describe(true), describe(false));
}
