//! A client and the upstream connection that is made for it.

use std::time::{Duration, Instant};

use evio::{Conn, ConnId, Origin, Tag};

use super::header::Addresses;

/// What of a client's bytes waits for its upstream, beside one read; the rest waits in the kernel.
pub const MAX_EARLY: usize = 16 << 10;

/// How often in an idle timeout a pair is looked at: it ends within a quarter more than that.
const IDLE_LOOKS: u32 = 4;

/// How long after connecting an upstream may reset a connection, for another one to take its place:
/// one that is overloaded or has just ended does so at once. A later reset is its answer.
const FRESH: Duration = Duration::from_secs(1);

/// A client and its upstream connection. Both of them, and the connections that have failed before,
/// name it by its place among the pairs of the loop.
#[derive(Debug)]
pub struct Pair {
    /// The client.
    pub client: ConnId,
    /// The upstream connection, while there is one.
    pub upstream: Option<ConnId>,
    /// The index of the upstream, once one was chosen.
    pub index: u16,
    /// When the upstream was connected.
    pub connected: Option<Instant>,
    /// An upstream has accepted the connection, and reset it.
    pub was_reset: bool,
    /// The client's connection has not ended.
    pub has_client: bool,
    /// The client has ended its output.
    pub client_ended: bool,
    /// Until the upstream is connected: what the client has sent meanwhile.
    pub start: Option<Start>,
    /// Bytes that the client has sent, and that the upstream has.
    pub bytes: [u64; 2],
    /// The upstreams that were tried.
    pub tried: Vec<u16>,
    /// What the client's PROXY header said.
    pub addresses: Option<Box<Addresses>>,
    quiet: Quiet,
}

/// What the client has sent while its upstream is being connected.
#[derive(Debug, Default)]
pub struct Start {
    /// The client's bytes, at first with its PROXY header.
    pub early: Vec<u8>,
    /// The PROXY header is not whole yet.
    pub awaits_header: bool,
}

/// What the last look at a pair has seen.
#[derive(Debug, Default)]
struct Quiet {
    bytes: u64,
    untaken: usize,
    /// How many looks in a row have seen that nothing moves.
    looks: u32,
}

impl Pair {
    /// Makes a pair of a client alone.
    #[must_use]
    pub fn new(client: ConnId, awaits_header: bool) -> Self {
        Self {
            client,
            upstream: None,
            index: 0,
            connected: None,
            was_reset: false,
            has_client: true,
            client_ended: false,
            start: Some(Start { early: Vec::new(), awaits_header }),
            bytes: [0; 2],
            tried: Vec::new(),
            addresses: None,
            quiet: Quiet::default(),
        }
    }

    /// Returns whether bytes of the client wait for an upstream.
    #[must_use]
    pub fn has_early(&self) -> bool {
        let is_kept = |start: &Start| !start.awaits_header && !start.early.is_empty();
        self.start.as_ref().is_some_and(is_kept)
    }

    /// Returns whether the upstream has seen no byte of the client, nor the client one of the
    /// upstream: then another upstream can take its place, and nobody knows.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.bytes == [0; 2]
    }

    /// Returns whether the upstream was connected just now, and is [untouched](Self::is_untouched).
    #[must_use]
    pub fn is_fresh(&self, now: Instant) -> bool {
        let is_new = |connected| now.saturating_duration_since(connected) < FRESH;
        self.is_untouched() && self.connected.is_some_and(is_new)
    }

    /// Returns the address of the client, for the log.
    #[must_use]
    pub fn name(&self, client: &Conn<'_>) -> String {
        let stated = self.addresses.as_deref().map(|addresses| addresses.source.to_string());
        let address = || client.peer_addr().map(|address| address.to_string());
        stated.unwrap_or_else(|| address().unwrap_or_default())
    }

    /// Returns whether both sides have ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !self.has_client && self.upstream.is_none()
    }

    /// Returns whether nothing was passed on and nothing was taken for as long as the idle timeout,
    /// which begins anew while something `waits` for a side. `untaken` is what the kernel holds for
    /// both. To be asked at each [`idle_look`].
    ///
    /// A pair is looked at now and then, since a time that is noted for each piece would cost every
    /// request.
    pub fn is_idle(&mut self, waits: bool, untaken: usize) -> bool {
        let bytes = self.bytes[0].wrapping_add(self.bytes[1]);
        self.quiet.is_too_long(bytes, waits, untaken)
    }
}

impl Quiet {
    fn is_too_long(&mut self, bytes: u64, waits: bool, untaken: usize) -> bool {
        // A peer that takes something is slow, and one that takes nothing is as good as silent.
        let has_moved = waits || bytes != self.bytes || untaken < self.untaken;
        let looks = if has_moved { 0 } else { self.looks + 1 };
        *self = Self { bytes, untaken, looks };
        looks >= IDLE_LOOKS
    }
}

/// Returns how long after another a pair is looked at.
#[must_use]
pub fn idle_look(timeout: Option<Duration>) -> Option<Duration> {
    timeout.map(|timeout| timeout / IDLE_LOOKS)
}

/// The purpose of a connection that the proxy asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be the upstream connection of the pair in this place.
    Pair(u32),
    /// To check the upstream with this index.
    Check(u16),
    /// To tell of SIGTERM.
    Signals,
    /// To tell when it is time for checks.
    Checks,
}

impl Purpose {
    /// Returns the tag that says it.
    #[must_use]
    pub fn tag(self) -> Tag {
        let (kind, number) = match self {
            Self::Pair(place) => (0, place),
            Self::Check(index) => (1, u32::from(index)),
            Self::Signals => (2, 0),
            Self::Checks => (3, 0),
        };
        Tag::from(kind << 32 | u64::from(number))
    }

    /// Returns the purpose of a connection, if it was asked for.
    #[must_use]
    pub fn of(origin: Origin) -> Option<Self> {
        let (Origin::Connected(tag) | Origin::Adopted(tag)) = origin else { return None };
        let number = tag.number as u32;
        match tag.number >> 32 {
            0 => Some(Self::Pair(number)),
            1 => Some(Self::Check(number as u16)),
            2 => Some(Self::Signals),
            _ => Some(Self::Checks),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_output_waits_is_no_silence() {
        let mut quiet = Quiet::default();
        let mut looks = |bytes, waits| quiet.is_too_long(bytes, waits, 0);
        assert_eq!([(); 3].map(|()| looks(9, true)), [false; 3]);
        // All of it is taken now: the silence begins.
        assert_eq!([(); 4].map(|()| looks(9, false)), [false, false, false, true]);
        // Something is passed on.
        assert_eq!([(); 5].map(|()| looks(10, false)), [false, false, false, false, true]);
    }

    #[test]
    fn who_takes_something_is_not_silent() {
        let mut quiet = Quiet::default();
        let mut looks = |untaken| quiet.is_too_long(9, false, untaken);
        assert_eq!([100, 99, 50, 49, 48, 20].map(&mut looks), [false; 6]);
        assert_eq!([20; 4].map(&mut looks), [false, false, false, true]);
    }

    #[test]
    fn a_purpose_comes_back() {
        let numbered = [Purpose::Pair(0), Purpose::Pair(u32::MAX), Purpose::Check(u16::MAX)];
        for purpose in numbered.into_iter().chain([Purpose::Signals, Purpose::Checks]) {
            assert_eq!(Purpose::of(Origin::Connected(purpose.tag())), Some(purpose));
        }
        assert_eq!(Purpose::of(Origin::Accepted { address_index: 0 }), None);
    }
}
