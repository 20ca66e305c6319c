//! Whether the reason that a connection ended for fits what has happened to it.

use std::io::ErrorKind;
use std::time::Instant;

use evio::{CloseReason, Timeout};

use super::link::{Kind, Link, Outcome, Peer};
use super::model::{Last, Server, Stage};
use super::world::World;
use crate::util::Reason;

/// Checks the reason that a callback gives.
pub(crate) fn check(world: &World, link: &Link, reason: &CloseReason) -> Result<(), String> {
    let server = link.server.lock();
    let peer = link.peer.lock();
    let fits = fits(world, link, &server, &peer, Reason::from(reason));
    let is_first = !server.causes.aborted_first
        || matches!(reason, CloseReason::Aborted | CloseReason::OutputLimit);
    if fits && is_first { Ok(()) } else { Err(format!("ended for no such reason: {reason}")) }
}

fn fits(world: &World, link: &Link, server: &Server, peer: &Peer, reason: Reason) -> bool {
    let causes = server.causes;
    let has_begun_to_end = server.is_ending
        || server.endings_on_the_way > 0
        || world.is_shutting_down()
        || causes.closed
        || causes.idle
        || server.peer_closed
        || server.output_ended
        || server.read_timeout.is_some();
    match reason {
        Reason::PeerClosed => peer.finished.is_some() || server.input_ended && server.output_ended,
        Reason::Closed => causes.closed,
        Reason::Aborted => causes.aborted,
        Reason::Shutdown => world.is_shutting_down() && was_told(world, link, server, peer),
        // The kernel knows the write timeout, too.
        Reason::Error(ErrorKind::TimedOut) => causes.write || peer.has_left,
        Reason::Error(_) => peer.has_left || peer.has_meddled || link.kind == Kind::Refused,
        Reason::OutputLimit => server.may_have_exceeded(world),
        Reason::DiscardLimit => causes.discards_little && has_begun_to_end,
        Reason::Withheld => {
            let by_others = server.others_wrote || world.broadcast_bytes() > 0;
            world.plan.withholds && (causes.withheld || causes.may_be_withheld || by_others)
        }
        Reason::Panicked => causes.panicked,
        Reason::Timeout(Timeout::Idle) => causes.idle,
        Reason::Timeout(Timeout::Write) => causes.write,
        Reason::Timeout(Timeout::Congestion) => causes.congestion,
        Reason::Timeout(Timeout::Connect) => {
            let is_late = server.began.elapsed() >= world.plan.limits.connect_timeout;
            link.kind == Kind::Silent && is_late
        }
        Reason::Timeout(Timeout::Read) => {
            server.read_timeout.is_some_and(|due| due <= Instant::now())
        }
        Reason::Timeout(Timeout::Close) => {
            has_begun_to_end && (causes.short_close || peer.has_stalled || peer.has_left)
        }
        Reason::Timeout(_) => false,
    }
}

/// Returns whether a connection was asked to stop, if it had to be.
fn was_told(world: &World, link: &Link, server: &Server, peer: &Peer) -> bool {
    let is_exempt = !world.plan.ending.is_graceful_to_the_end()
        || server.is_ending
        || !server.has_context
        || server.may_have_ended_by_itself(peer, link.kind, world);
    server.is_stopping || is_exempt
}

/// Checks at the end of the round that what the peer saw fits what the server did.
pub(crate) fn check_pair(world: &World, link: &Link) -> Result<(), String> {
    let before = link.continues.as_ref().map(|link| (link.number, link.server.lock().frames));
    let server = link.server.lock();
    let peer = link.peer.lock();
    let last = match server.stage {
        Stage::Over(last) => last,
        Stage::New => return check_unopened(world, link, &peer),
        stage => return Err(format!("the server has ended, and it is {stage:?}")),
    };
    if matches!(last, Last::ConnectFailed(_) | Last::NotBegun) {
        // The bytes of both directions are lost.
        return Ok(());
    }
    if link.is_continued() {
        // The peer's side is checked with the connection that goes on.
        return Ok(());
    }
    match peer.outcome {
        Some(Outcome::End) => {
            // None of the frames of this one may have come.
            let is_before = before.filter(|(number, _)| *number == peer.number);
            if is_before.is_some_and(|(_, frames)| frames != peer.taken.frames) {
                return Err("the peer has not got all from before the detach".to_owned());
            }
            check_end(&server, &peer, link, last)
        }
        // One that is reset before it is accepted may not be had any more.
        Some(outcome @ (Outcome::Reset | Outcome::NeverConnected)) => {
            if may_reset(&server, &peer, last) {
                return Ok(());
            }
            Err(format!("{last:?}, and for the peer it is {outcome:?}"))
        }
        Some(Outcome::Left) | None => Ok(()),
    }
}

/// One that was never opened: it has left before, or the server would not have it any more.
fn check_unopened(world: &World, link: &Link, peer: &Peer) -> Result<(), String> {
    let is_stopped = match link.kind {
        Kind::Accepted(index) => {
            world.listeners.lock().iter().any(|l| l.index() == index && l.is_stopped)
        }
        _ => true,
    };
    if is_stopped || peer.has_left || !peer.is_connected || world.is_shutting_down() {
        return Ok(());
    }
    Err("a client was never heard of".to_owned())
}

/// After a clean end, all must be there that was written.
fn check_end(server: &Server, peer: &Peer, link: &Link, last: Last) -> Result<(), String> {
    // A Unix socket has no reset: the peer cannot tell.
    if link.is_unix && loses_output(last) || peer.has_meddled {
        return Ok(());
    }
    let taken = peer.taken_of(link.number);
    let is_whole = taken.frames == server.frames && !taken.is_partial;
    let owed = server.sends.iter().zip(taken.sends).all(|(sends, taken)| taken >= sends.owed);
    let broadcasts = server.broadcasts_owed.iter().zip(taken.broadcasts);
    let broadcasts = broadcasts.into_iter().all(|(owed, taken)| taken >= *owed);
    if is_whole && owed && broadcasts {
        return Ok(());
    }
    Err(format!("{last:?}, and the peer found a clean end of less than was written: {taken:?}"))
}

fn loses_output(last: Last) -> bool {
    match last {
        Last::Closed(reason) | Last::ConnectFailed(reason) => {
            !matches!(reason, Reason::Closed | Reason::PeerClosed)
        }
        Last::Detached | Last::NotBegun => false,
    }
}

/// A connection that closes well is not reset, unless it is given up while its peer still sends.
fn may_reset(server: &Server, peer: &Peer, last: Last) -> bool {
    let lingered_short = server.causes.short_close || peer.has_stalled || peer.has_sent_urgent;
    let is_given_up = server.causes.aborted
        || server.causes.discards_little
        || server.input_ended
        || server.is_dropped;
    loses_output(last) || is_given_up || lingered_short
}
