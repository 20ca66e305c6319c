//! The calls that are made of both kernels.

use evio_sys::Interest;
use evio_sys::sim::Kernel;

/// One end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Connect,
    Accept,
    FinishConnect,
    Send(End, usize),
    Recv(End, usize),
    ShutdownWrite(End),
    ShutdownBoth(End),
    Reset(End),
    Close(End),
    HasInput(End),
    InputLen(End),
    HasRoom(End),
    TakeError(End),
    PeerAddr(End),
    Register(End, Interest),
    Reregister(End, Interest),
    Deregister(End),
    CloseListener,
    Poll,
}

/// Draws calls; the endings are rarer than the rest.
pub(super) fn draw_calls(random: &Kernel, count: usize) -> Vec<Call> {
    let mut calls = vec![Call::Connect];
    calls.extend((0..count).map(|_| draw_call(random)));
    calls
}

fn draw_call(random: &Kernel) -> Call {
    let end = if random.random_below(2) == 0 { End::Client } else { End::Server };
    let interests = [
        Interest::READABLE,
        Interest::WRITABLE,
        Interest::HANGUP,
        Interest::READABLE | Interest::WRITABLE,
    ];
    let interest = interests[random.random_below(interests.len())];
    let interest = match random.random_below(4) {
        0 => interest,
        1 => interest.one_shot(),
        _ => interest.edge(),
    };
    match random.random_below(60) {
        0 => Call::Connect,
        1..=5 => Call::Accept,
        6 => Call::FinishConnect,
        7..=14 => Call::Send(end, random.random_below(1_000)),
        15..=24 => Call::Recv(end, 1 + random.random_below(1_500)),
        25 => Call::ShutdownWrite(end),
        26 => Call::ShutdownBoth(end),
        27 => Call::Reset(end),
        28 => Call::Close(end),
        29..=30 => Call::HasInput(end),
        31..=32 => Call::InputLen(end),
        33..=34 => Call::HasRoom(end),
        35 => Call::TakeError(end),
        36 => Call::PeerAddr(end),
        37..=41 => Call::Register(end, interest),
        42..=45 => Call::Reregister(end, interest),
        46 => Call::Deregister(end),
        47 if random.random_below(4) == 0 => Call::CloseListener,
        _ => Call::Poll,
    }
}
