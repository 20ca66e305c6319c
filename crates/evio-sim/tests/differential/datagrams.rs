//! UDP sockets, on the kernel of this thread.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use evio_sys::net::{ListenOptions, UdpSocket};
use evio_sys::sim::Kernel;
use evio_sys::{Events, Interest, Poller, Token};

use crate::calls::draw_interest;
use crate::{Played, shown};

/// A socket, by number.
type Index = usize;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OTHER_LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const ANY_V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
const LOCAL_V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// What the sockets are bound to; the last takes both families.
const BOUND: [IpAddr; 4] = [LOCAL, OTHER_LOCAL, ANY, ANY_V6];
const DESTINATIONS: [IpAddr; 5] = [LOCAL, OTHER_LOCAL, ANY, LOCAL_V6, ANY_V6];
const SOURCES: [IpAddr; 3] = [LOCAL, OTHER_LOCAL, LOCAL_V6];
/// More than a receive buffer has room for.
const FLOOD: usize = 1_000;

#[derive(Clone, Copy, Debug)]
pub(super) enum DatagramCall {
    Bind(Index),
    /// Binds the address of a socket, which may have it still.
    BindAgain(Index),
    Close(Index),
    /// To the port of another socket, at this address.
    Send(Index, Index, IpAddr, usize),
    /// From this address.
    SendFrom(Index, Index, IpAddr, IpAddr),
    /// More than there is room for, all of which is then read.
    Flood(Index, Index),
    Recv(Index, usize),
    Register(Index, Interest),
    Reregister(Index, Interest),
    Deregister(Index),
    Poll,
}

pub(super) fn draw_datagram_calls(random: &Kernel, count: usize) -> Vec<DatagramCall> {
    let mut calls: Vec<_> = (0..BOUND.len()).map(DatagramCall::Bind).collect();
    calls.extend((0..count).map(|_| draw_call(random)));
    calls
}

fn draw_call(random: &Kernel) -> DatagramCall {
    let index = || random.random_below(BOUND.len());
    let destination = || DESTINATIONS[random.random_below(DESTINATIONS.len())];
    match random.random_below(40) {
        0..=1 => DatagramCall::Bind(index()),
        2 => DatagramCall::BindAgain(index()),
        3 => DatagramCall::Close(index()),
        4 => DatagramCall::Send(index(), index(), destination(), 65_400 + random.random_below(200)),
        5..=14 => DatagramCall::Send(index(), index(), destination(), random.random_below(3_000)),
        15..=16 => {
            let source = SOURCES[random.random_below(SOURCES.len())];
            DatagramCall::SendFrom(index(), index(), destination(), source)
        }
        17 if random.random_below(4) == 0 => DatagramCall::Flood(index(), index()),
        18..=27 => DatagramCall::Recv(index(), random.random_below(4_000)),
        28..=30 => DatagramCall::Register(index(), draw_interest(random)),
        31..=32 => DatagramCall::Reregister(index(), draw_interest(random)),
        33 => DatagramCall::Deregister(index()),
        _ => DatagramCall::Poll,
    }
}

pub(super) struct Datagrams<'a> {
    poller: Poller,
    events: Events,
    sockets: [Option<UdpSocket>; BOUND.len()],
    /// Those of sockets that are closed stay, for others to send to.
    addresses: [Option<SocketAddr>; BOUND.len()],
    settle: &'a dyn Fn(),
}

impl<'a> Datagrams<'a> {
    pub(super) fn new(settle: &'a dyn Fn()) -> io::Result<Self> {
        let (poller, events) = (Poller::new()?, Events::with_capacity(16));
        Ok(Self { poller, events, sockets: [const { None }; 4], addresses: [None; 4], settle })
    }

    fn bind(&mut self, index: Index) -> Option<String> {
        if self.sockets[index].is_some() {
            return None;
        }
        let result = UdpSocket::bind((BOUND[index], 0).into(), &ListenOptions::default());
        Some(shown(result.map(|socket| {
            self.addresses[index] = socket.local_addr().ok();
            self.sockets[index] = Some(socket);
        })))
    }

    fn recv(&mut self, index: Index, len: usize) -> Option<String> {
        let mut buffer = vec![0; len];
        let received = self.sockets[index].as_mut()?.recv_from(&mut buffer);
        Some(shown(received.map(|received| {
            let peer = self.addresses.iter().flatten();
            let peer = peer.clone().position(|known| known.port() == received.peer.port());
            let first = buffer[..received.len].first().copied();
            (received.len, first, peer, received.peer.ip(), received.local)
        })))
    }

    /// How many datagrams there is room for is the kernel's own choice.
    fn flood(&mut self, from: Index, to: Index) -> Option<String> {
        let peer = SocketAddr::new(LOCAL, self.addresses[to]?.port());
        let (sender, receiver) = (self.sockets[from].as_ref()?, self.sockets[to].as_ref()?);
        if !sender.is_for(peer) || !receiver.is_for(peer) {
            return None;
        }
        for _ in 0..FLOOD {
            if let Err(error) = sender.send_to(&[7; 1_000], peer) {
                return Some(shown(Err::<(), _>(error)));
            }
        }
        (self.settle)();
        let receiver = self.sockets[to].as_mut()?;
        let received = (0..).take_while(|_| receiver.recv_from(&mut [0; 8]).is_ok()).count();
        Some(format!("some: {}, all: {}", received > 0, received >= FLOOD))
    }
}

impl Played for Datagrams<'_> {
    type Call = DatagramCall;

    fn call(&mut self, call: DatagramCall) -> Option<String> {
        match call {
            DatagramCall::Bind(index) => self.bind(index),
            DatagramCall::BindAgain(index) => {
                let address = self.addresses[index]?;
                // Who has closed it may have lost the port to another program.
                self.sockets[index].as_ref()?;
                let result = UdpSocket::bind(address, &ListenOptions::default());
                Some(shown(result.map(drop)))
            }
            DatagramCall::Close(index) => self.sockets[index].take().map(|_| String::new()),
            DatagramCall::Send(from, to, ip, len) => {
                let bytes = vec![len as u8; len];
                let peer = SocketAddr::new(ip, self.addresses[to]?.port());
                let sender = self.sockets[from].as_ref().filter(|socket| socket.is_for(peer))?;
                Some(shown(sender.send_to(&bytes, peer)))
            }
            DatagramCall::SendFrom(from, to, ip, source) => {
                let peer = SocketAddr::new(ip, self.addresses[to]?.port());
                let sender = self.sockets[from].as_ref().filter(|socket| socket.is_for(peer))?;
                // A loop answers from the address of the family that was asked.
                let is_v4 = ip.is_ipv4();
                (is_v4 == source.is_ipv4())
                    .then(|| shown(sender.send_from(b"answer", source, peer)))
            }
            DatagramCall::Flood(from, to) => self.flood(from, to),
            DatagramCall::Recv(index, len) => self.recv(index, len),
            DatagramCall::Register(index, interest) => {
                let socket = self.sockets[index].as_ref()?;
                Some(shown(self.poller.register(socket, Token(index as u64), interest)))
            }
            DatagramCall::Reregister(index, interest) => {
                let socket = self.sockets[index].as_ref()?;
                Some(shown(self.poller.reregister(socket, Token(index as u64), interest)))
            }
            DatagramCall::Deregister(index) => {
                Some(shown(self.poller.deregister(self.sockets[index].as_ref()?)))
            }
            DatagramCall::Poll => {
                let polled = self.poller.poll(&mut self.events, Some(Duration::ZERO));
                let mut events: Vec<_> =
                    self.events.iter().map(|event| format!("{event:?}")).collect();
                events.sort();
                Some(shown(polled.map(|()| events.join(", "))))
            }
        }
    }

    fn note(&mut self, _: DatagramCall) {}
}
