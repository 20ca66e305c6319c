//! The calls that are made of both kernels, on a connection.

use evio_sys::Interest;
use evio_sys::sim::Kernel;

/// One end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Client,
    Server,
}

impl End {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// What the connection is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Unix,
}

/// One of two pollers, by number.
pub(super) type PollerIndex = usize;

#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Connect,
    /// Another client, with which the listener's queue can be full.
    ConnectMore,
    CloseMore,
    FinishMore,
    Accept,
    FinishConnect,
    Send(End, usize),
    /// Sends until there is no room; of TCP, the other end then reads all of it.
    Fill(End),
    Recv(End, usize),
    /// Reads all there is, and what had no room before.
    Drain(End),
    ShutdownWrite(End),
    ShutdownBoth(End),
    Reset(End),
    Close(End),
    HasInput(End),
    InputLen(End),
    OutputLen(End),
    HasRoom(End),
    TakeError(End),
    PeerAddr(End),
    Register(PollerIndex, End, Interest),
    Reregister(PollerIndex, End, Interest),
    Deregister(PollerIndex, End),
    CloseListener,
    Poll(PollerIndex),
}

impl Call {
    pub(super) fn is_again(self) -> bool {
        matches!(self, Self::Reregister(..))
    }
}

/// Draws calls; the endings are rarer than the rest.
pub(super) fn draw_calls(random: &Kernel, count: usize) -> Vec<Call> {
    let mut calls = vec![Call::Connect];
    calls.extend((0..count).map(|_| draw_call(random)));
    calls
}

pub(super) fn draw_interest(random: &Kernel) -> Interest {
    let interests = [
        Interest::READABLE,
        Interest::WRITABLE,
        Interest::HANGUP,
        Interest::READABLE | Interest::WRITABLE,
    ];
    let interest = interests[random.random_below(interests.len())];
    match random.random_below(4) {
        0 => interest,
        1 => interest.one_shot(),
        _ => interest.edge(),
    }
}

fn draw_call(random: &Kernel) -> Call {
    let end = if random.random_below(2) == 0 { End::Client } else { End::Server };
    let interest = draw_interest(random);
    // The second one is there for what both are told, or one alone.
    let poller = usize::from(random.random_below(4) == 0);
    match random.random_below(64) {
        0 => Call::Connect,
        1..=5 => Call::Accept,
        6 => Call::FinishConnect,
        7..=14 => Call::Send(end, random.random_below(1_000)),
        15..=22 => Call::Recv(end, 1 + random.random_below(1_500)),
        23..=24 => Call::Recv(end, 1 + random.random_below(220_000)),
        25 => Call::ShutdownWrite(end),
        26 => Call::ShutdownBoth(end),
        27 => Call::Reset(end),
        28 => Call::Close(end),
        29..=30 => Call::HasInput(end),
        31..=32 => Call::InputLen(end),
        33..=34 => Call::HasRoom(end),
        35 => Call::TakeError(end),
        36 => Call::PeerAddr(end),
        37..=41 => Call::Register(poller, end, interest),
        42..=45 => Call::Reregister(poller, end, interest),
        46 => Call::Deregister(poller, end),
        47 if random.random_below(4) == 0 => Call::CloseListener,
        48 => Call::ConnectMore,
        49 => [Call::CloseMore, Call::FinishMore][random.random_below(2)],
        50 => Call::OutputLen(end),
        51 => Call::Fill(end),
        52 => Call::Drain(end),
        _ => Call::Poll(poller),
    }
}
