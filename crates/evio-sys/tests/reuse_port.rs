//! Sockets that share a port.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::collections::HashSet;
use std::net::SocketAddr;

use evio_sys::net::{ListenOptions, Listener, UdpSocket};

use util::address_of;

/// So many random ports of 28,000 would have some twice.
#[test]
fn a_chosen_port_is_free_and_can_be_shared_from_then_on() {
    let shared = ListenOptions::default().reuse_port(true);
    if Listener::tcp(([127, 0, 0, 1], 0).into(), &shared).is_err() {
        return println!("left out on {}: ports are not shared", evio_sys::BACKEND);
    }
    let options = ListenOptions::default().reuse_port(true);
    let any = SocketAddr::from(([127, 0, 0, 1], 0));

    let sockets: Vec<_> = (0..700).map(|_| UdpSocket::bind(any, &options).unwrap()).collect();
    let chosen = HashSet::<_>::from_iter(sockets.iter().map(|s| s.local_addr().unwrap()));
    assert_eq!(chosen.len(), sockets.len());
    chosen.into_iter().for_each(|address| drop(UdpSocket::bind(address, &options).unwrap()));

    let listeners: Vec<_> = (0..50).map(|_| Listener::tcp(any, &options).unwrap()).collect();
    let chosen = HashSet::<_>::from_iter(listeners.iter().map(address_of));
    assert_eq!(chosen.len(), listeners.len());
    chosen.into_iter().for_each(|address| drop(Listener::tcp(address, &options).unwrap()));
}
