//! The neighbours there are, and what all of them can do.

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use clap::ValueEnum;

use super::broadcast::Broadcaster;
use super::churn::Churn;
use super::datagrams::Datagrams;
use super::dial::Buffers;
use super::drips::Drips;
use super::flood::{Count, Flood};
use super::protocol::{Protocol, Reply};

/// Who shares the server with the paced clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Neighbour {
    /// Nobody
    Nobody,
    /// 200 clients that pipeline requests without end, and read the answers
    Pipelining,
    /// 1,000 clients that send requests and never read
    Deaf,
    /// 20 clients that send requests with bodies of 1 MiB
    Bulk,
    /// Connections, one after the other, with a request and a reset each
    Churn,
    /// Datagrams to the address that the server has for connections, too
    Udp,
    /// A client whose messages, 10,000 a second, go to everyone
    Broadcast,
    /// 1,000 silent clients, 1,000 that begin a request and send a byte of it now and then, 1,000
    /// that send and never read, and one that pipelines without end
    Hostile,
}

const PIPELINING: usize = 200;
const DEAF: usize = 1000;
const BULK: usize = 20;
const SILENT: usize = 1000;
const DRIPPING: usize = 1000;

/// A neighbour at work.
pub(super) trait Noise {
    /// Does a little, no more than the paced clients can wait for. Returns whether there is more
    /// to do at once.
    fn step(&mut self, now: Instant) -> io::Result<bool>;

    /// Returns how often the server has done what the neighbour is there for.
    fn served(&self) -> u64;

    /// Returns what tells that there is more to do, if something does.
    fn readiness(&self) -> Option<BorrowedFd<'_>>;
}

impl Neighbour {
    /// Lets it begin.
    pub(super) fn begin(
        self,
        address: SocketAddr,
        protocol: Protocol,
        reply: &Reply,
    ) -> io::Result<Box<dyn Noise>> {
        let flood = |clients, pattern, count| {
            Flood::connect(address, clients, pattern, count, Buffers::Usual)
        };
        let pipelining =
            |clients| flood(clients, protocol.batch(), Count::Received(reply.len() as u64));
        let deaf = || {
            let count = Count::Sent(protocol.request().len() as u64);
            Flood::connect(address, DEAF, protocol.batch(), count, Buffers::Narrow)
        };
        Ok(match self {
            Self::Nobody => Box::new(Silence),
            Self::Pipelining => Box::new(pipelining(PIPELINING)?),
            Self::Deaf => Box::new(deaf()?),
            Self::Bulk => {
                let request = protocol.bulk();
                let count = Count::SentAndRead(request.len() as u64);
                Box::new(flood(BULK, request, count)?)
            }
            Self::Churn => Box::new(Churn::new(address, protocol.request())),
            Self::Udp => Box::new(Datagrams::connect(address, protocol.request())?),
            Self::Broadcast => Box::new(Broadcaster::connect(address, protocol)?),
            Self::Hostile => {
                let mut unfinished = protocol.request();
                unfinished.pop();
                Box::new(Crowd(vec![
                    Box::new(Drips::connect(address, SILENT, Vec::new())?),
                    Box::new(Drips::connect(address, DRIPPING, unfinished)?),
                    Box::new(deaf()?),
                    Box::new(pipelining(1)?),
                ]))
            }
        })
    }

    /// Tells whether what it has done is comparable from server to server, in CPU time too: what is
    /// taken of a client that never reads is a matter of the server's limits.
    pub(super) fn is_work(self) -> bool {
        !matches!(self, Self::Deaf | Self::Hostile)
    }
}

/// Several neighbours at once; what the last one is served counts.
struct Crowd(Vec<Box<dyn Noise>>);

impl Noise for Crowd {
    fn step(&mut self, now: Instant) -> io::Result<bool> {
        let mut goes_on = false;
        for noise in &mut self.0 {
            goes_on |= noise.step(now)?;
        }
        Ok(goes_on)
    }

    fn served(&self) -> u64 {
        self.0.last().map_or(0, |noise| noise.served())
    }

    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        self.0.last()?.readiness()
    }
}

/// No neighbour at all.
struct Silence;

impl Noise for Silence {
    fn step(&mut self, _: Instant) -> io::Result<bool> {
        Ok(false)
    }

    fn served(&self) -> u64 {
        0
    }

    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
