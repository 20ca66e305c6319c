//! The pairs of one loop: how they begin, pass on what they get, and end.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use evio::{Action, CloseReason, Conn, ConnId, Keepalive, Loop};
use log::warn;
use slab::Slab;

use super::counters::ClientCounters;
use super::header::{self, Addresses, Parsed};
use super::kernel::{is_gone, is_reset, is_shortage, untaken_len};
use super::pair::{MAX_EARLY, Pair, Purpose, Start, idle_look};
use super::shared::Shared;

/// How long a PROXY header may take: section 2 of the specification asks for three seconds at
/// least, in which TCP repeats a packet that was lost.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// The side of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that was accepted.
    Client,
    /// The one that was made for it.
    Upstream,
}

/// The pairs of one loop: clients, and the upstream connections made for them. Both sides know the
/// place of their pair.
#[derive(Debug)]
pub struct Pairs {
    shared: Arc<Shared>,
    loop_id: usize,
    pairs: Slab<Pair>,
}

impl Pairs {
    /// Makes those of a loop.
    #[must_use]
    pub fn new(shared: Arc<Shared>, loop_id: usize) -> Self {
        Self { shared, loop_id, pairs: Slab::new() }
    }

    /// Adds a pair for a client that was accepted, and returns its place.
    pub fn add(&mut self, client: ConnId) -> usize {
        self.shared.open.fetch_add(1, Relaxed);
        self.pairs.insert(Pair::new(client, self.shared.options.accept_proxy))
    }

    /// Begins to connect to an upstream, or waits for the client's PROXY header.
    pub fn begin(&mut self, client: &mut Conn<'_>, place: usize) -> Action {
        self.counters().accepted.add(1);
        if is_gone(client) {
            self.counters().gone.add(1);
            self.pairs[place].start = None;
            return Action::Close;
        }
        // This side's own output says nothing about its input, which is the other side's output.
        client.read_while_congested(true);
        client.set_timer(idle_look(self.shared.options.clients.idle_timeout.0));
        if self.shared.options.accept_proxy {
            client.set_read_timeout(Some(HEADER_TIMEOUT));
        } else {
            self.connect(&mut client.event_loop(), place);
        }
        Action::None
    }

    /// Connects to an upstream that was not tried yet. If there is none, the client is closed or
    /// reset.
    fn connect(&mut self, event_loop: &mut Loop<'_>, place: usize) {
        let upstreams = &self.shared.upstreams;
        let pair = &mut self.pairs[place];
        while let Some(index) = upstreams.choose(&pair.tried) {
            let upstream = upstreams.get(index);
            pair.tried.push(index);
            let tag = Purpose::Pair(place as u32).tag();
            match event_loop.connect(upstream.begin(), tag) {
                Ok(id) => {
                    (pair.upstream, pair.index) = (Some(id), index);
                    let is_retry = pair.tried.len() > 1;
                    return self.counters().retries.add(u64::from(is_retry));
                }
                Err(error) => {
                    upstream.end();
                    let name = event_loop.conn(pair.client).map(|client| pair.name(&client));
                    let name = name.unwrap_or_default();
                    warn!("{name}: cannot connect to {}: {error}", upstream.address());
                    if is_shortage(&error) {
                        break;
                    }
                    upstream.counters(self.loop_id).failed.add(1);
                    self.shared.failed(index, &error);
                }
            }
        }
        let (client, was_reset) = (pair.client, pair.was_reset);
        self.counters().unserved.add(1);
        let Some(mut client) = event_loop.conn(client) else { return };
        if was_reset {
            // What an upstream that had accepted would have said: an end would look like an answer.
            client.abort();
        } else {
            client.close();
        }
    }

    /// Passes input on to the other side.
    #[inline]
    pub fn pass_on(
        &mut self,
        conn: &mut Conn<'_>,
        place: usize,
        side: Side,
        input: &[u8],
    ) -> Action {
        let pair = &mut self.pairs[place];
        if pair.start.is_some() {
            return self.keep_early(conn, place, input);
        }
        let counters = self.shared.upstreams.get(pair.index).counters(self.loop_id);
        let (counter, other) = match side {
            Side::Client => (&counters.sent, pair.upstream),
            Side::Upstream => (&counters.received, Some(pair.client)),
        };
        if side == Side::Upstream && pair.bytes[1] == 0 {
            self.shared.succeeded(pair.index);
        }
        // It is counted first: a peer that has got it may ask for the counters.
        counter.add(input.len() as u64);
        let mut is_congested = false;
        let is_taken = sibling(conn, other).is_some_and(|mut other| {
            // There is nothing to be done before output is sent, so it may leave at once.
            other.write_now(input);
            is_congested = other.is_congested();
            other.takes_output()
        });
        if !is_taken {
            counter.take_back(input.len() as u64);
            // It is ending in this turn, and its `closed` knows what becomes of this side. If that
            // is to be connected anew, it must lack nothing.
            if side == Side::Client && pair.is_untouched() {
                pair.start = Some(Start { early: input.to_vec(), awaits_header: false });
            }
            return Action::None;
        }
        pair.bytes[side as usize] += input.len() as u64;
        if is_congested {
            conn.pause_reading();
        }
        Action::None
    }

    /// Keeps what the client has sent, for its upstream is not connected yet.
    #[cold]
    fn keep_early(&mut self, client: &mut Conn<'_>, place: usize, input: &[u8]) -> Action {
        let pair = &mut self.pairs[place];
        let Some(start) = &mut pair.start else { return Action::None };
        start.early.extend_from_slice(input);
        if start.early.len() >= MAX_EARLY {
            client.pause_reading();
        }
        if !start.awaits_header {
            return Action::None;
        }
        match header::parse(&start.early) {
            Ok(Parsed::Incomplete) => {}
            Ok(Parsed::Header { len, addresses }) => {
                start.early.drain(..len);
                start.awaits_header = false;
                pair.addresses = addresses.map(Box::new);
                client.set_read_timeout(None);
                self.connect(&mut client.event_loop(), place);
            }
            Err(error) => {
                warn!("{}: wrong PROXY header: {error}", pair.name(client));
                pair.start = None;
                self.counters().refused.add(1);
                client.abort();
            }
        }
        Action::None
    }

    /// Joins the two sides, now that the upstream is connected.
    pub fn join(&mut self, conn: &mut Conn<'_>, place: usize) -> Action {
        let options = &self.shared.options;
        let pair = &mut self.pairs[place];
        let counters = self.shared.upstreams.get(pair.index).counters(self.loop_id);
        counters.connected.add(1);
        conn.read_while_congested(true);
        if let Some(idle) = options.keepalive.0 {
            // Fails only if the connection has, which is reported anyway.
            let _ = conn.set_keepalive(&Keepalive { idle, ..Keepalive::default() });
        }
        pair.connected = Some(conn.now());
        let mut client = sibling(conn, Some(pair.client));
        if let Some(client) = &mut client {
            client.resume_reading();
        }
        let mut first = Vec::new();
        if let Some(version) = options.send_proxy {
            let stated = pair.addresses.as_deref().copied();
            let addresses = stated.or_else(|| addresses_of(client.as_ref()?));
            header::write(version, addresses, &mut first);
        }
        if let Some(start) = pair.start.take() {
            pair.bytes[0] += start.early.len() as u64;
            counters.sent.add(start.early.len() as u64);
            first.extend(start.early);
        }
        if !first.is_empty() {
            conn.write_owned(first);
        }
        if !pair.has_client {
            return Action::Close;
        }
        // If the client is ending in this turn, its `closed` ends this side.
        if pair.client_ended {
            conn.shutdown_write();
        }
        Action::None
    }

    /// Lets the other side go on, since this one has room again.
    pub fn drained(&mut self, conn: &mut Conn<'_>, place: usize, side: Side) {
        if let Some(mut other) = sibling(conn, self.other(place, side)) {
            other.resume_reading();
        }
    }

    /// Tells the other side that this one has ended its output.
    pub fn peer_closed(&mut self, conn: &mut Conn<'_>, place: usize, side: Side) -> Action {
        let pair = &mut self.pairs[place];
        if side == Side::Client {
            pair.client_ended = true;
            if let Some(start) = &pair.start {
                // The upstream is told when it is connected.
                return if start.awaits_header { Action::Close } else { Action::None };
            }
        }
        // Only this direction has ended; the connection closes when the other one has, too. If the
        // other side is ending in this turn, its `closed` knows what becomes of this one.
        if let Some(mut other) = sibling(conn, self.other(place, side)) {
            other.shutdown_write();
        }
        Action::None
    }

    /// Looks whether a pair still passes something on.
    pub fn look(&mut self, client: &mut Conn<'_>, place: usize) {
        let pair = &mut self.pairs[place];
        // What waits here for a side has the write timeout.
        let (mut waits, mut untaken) = (client.output_len() > 0, untaken_len(client));
        if let Some(upstream) = sibling(client, pair.upstream) {
            waits |= upstream.output_len() > 0;
            untaken += untaken_len(&upstream);
        }
        if pair.is_idle(waits, untaken) {
            self.counters().idle.add(1);
            end_idle(client, self.pairs[place].upstream);
        } else {
            client.set_timer(idle_look(self.shared.options.clients.idle_timeout.0));
        }
    }

    /// Ends a pair, or its upstream connection if another one can take its place.
    pub fn closed(&mut self, conn: &mut Conn<'_>, place: usize, side: Side, reason: &CloseReason) {
        let pair = &mut self.pairs[place];
        match side {
            Side::Client => {
                pair.has_client = false;
                // A Unix client that has closed waits for no answer; what it has sent is whole.
                let is_asked = pair.upstream.is_some() && pair.has_early();
                if is_asked && matches!(reason, CloseReason::PeerClosed) {
                    return;
                }
                // Whatever has ended it, its header did not come.
                let is_refused = pair.start.take().is_some_and(|start| start.awaits_header);
                self.counters().refused.add(u64::from(is_refused));
            }
            Side::Upstream => {
                let now = conn.now();
                let waiting = sibling(conn, Some(pair.client)).filter(Conn::takes_output);
                let upstream = self.shared.upstreams.get(pair.index);
                if let (Some(client), CloseReason::Error(_)) = (waiting, reason) {
                    if pair.is_fresh(now) {
                        pair.start.get_or_insert_default();
                        return self.try_next(conn, place, reason);
                    }
                    let name = pair.name(&client);
                    warn!("{name}: lost the connection to {}: {reason}", upstream.address());
                }
                pair.upstream = None;
                upstream.end();
            }
        }
        let other = self.other(place, side);
        end(sibling(conn, other), side, reason);
        self.remove_if_over(place);
    }

    /// Tries the next upstream, since this one cannot be reached.
    pub fn try_next(&mut self, conn: &mut Conn<'_>, place: usize, reason: &CloseReason) {
        let pair = &mut self.pairs[place];
        let upstream = self.shared.upstreams.get(pair.index);
        upstream.end();
        pair.upstream = None;
        pair.was_reset |= pair.connected.is_some() || is_reset(reason);
        let client = sibling(conn, Some(pair.client)).map(|client| pair.name(&client));
        // If the client has gone, it was that which gave up, unless it has left something.
        let is_failure = matches!(reason, CloseReason::Error(_) | CloseReason::Timeout(_));
        if client.is_some() || is_failure && !pair.has_client && pair.has_early() {
            let name = client.unwrap_or_default();
            warn!("{name}: cannot connect to {}: {reason}", upstream.address());
            upstream.counters(self.loop_id).failed.add(1);
            self.shared.failed(pair.index, reason);
            self.connect(&mut conn.event_loop(), place);
        }
        self.remove_if_over(place);
    }

    fn other(&self, place: usize, side: Side) -> Option<ConnId> {
        let pair = &self.pairs[place];
        match side {
            Side::Client => pair.upstream,
            Side::Upstream => Some(pair.client),
        }
    }

    fn remove_if_over(&mut self, place: usize) {
        if self.pairs[place].is_over() {
            self.pairs.remove(place);
            self.shared.open.fetch_sub(1, Relaxed);
        }
    }

    fn counters(&self) -> &ClientCounters {
        &self.shared.clients[self.loop_id]
    }
}

/// Returns the other side of a pair, unless it is ending.
fn sibling<'a>(conn: &'a mut Conn<'_>, other: Option<ConnId>) -> Option<Conn<'a>> {
    conn.sibling(other?)
}

/// Ends a pair that passes nothing on by a reset: the peers must not take what they have for all
/// that there is.
fn end_idle(client: &mut Conn<'_>, upstream: Option<ConnId>) {
    // One that was given the end of its answer may still be taking it, from the kernel. When its
    // upstream is reset, `closed` closes it.
    let first = upstream.filter(|_| !client.takes_output());
    match sibling(client, first) {
        Some(mut upstream) => upstream.abort(),
        None => client.abort(),
    }
}

/// Ends the other side of a pair, now that `side` has ended.
fn end(other: Option<Conn<'_>>, side: Side, reason: &CloseReason) {
    let Some(mut other) = other else { return };
    // Who gets half an answer must not take it for a whole one; but an answer that has been given
    // its end is whole. An upstream is told when there is nobody left to answer.
    let is_whole = side == Side::Upstream && !other.takes_output();
    if is_whole || matches!(reason, CloseReason::PeerClosed | CloseReason::Closed) {
        other.close();
    } else {
        other.abort();
    }
}

fn addresses_of(client: &Conn<'_>) -> Option<Addresses> {
    let source = client.peer_addr().ok()?.as_inet()?;
    let destination = client.local_addr().ok()?.as_inet()?;
    Some(Addresses { source, destination })
}
