//! What the kernel says of a connection when it is asked, and when it fails.

use std::io::{self, ErrorKind};

use evio::{CloseReason, Conn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Returns whether a client has reset its connection already. accept(2) returns such connections
/// too, and the loop hears of the reset in its next turn, when an upstream has been asked for a
/// connection: so a flood of resets would be passed on.
#[must_use]
pub fn is_gone(conn: &Conn<'_>) -> bool {
    // Both are reported without being asked for, and the BSDs report a reset as a hang-up. A Unix
    // client that has closed hangs up, too, and what it has sent can still be read.
    let is_tcp = conn.peer_addr().is_ok_and(|peer| peer.as_inet().is_some());
    let wanted = if is_tcp { PollFlags::ERR | PollFlags::HUP } else { PollFlags::ERR };
    reported(conn, PollFlags::empty()).is_some_and(|flags| flags.intersects(wanted))
}

/// Returns how much the other end has not taken of what it was sent; nothing where the system does
/// not tell.
#[must_use]
pub fn untaken_len(conn: &Conn<'_>) -> usize {
    conn.untaken_len().unwrap_or(0)
}

fn reported(conn: &Conn<'_>, events: PollFlags) -> Option<PollFlags> {
    let no_wait = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut asked = [PollFd::new(conn, events)];
    poll(&mut asked, Some(&no_wait)).ok()?;
    Some(asked[0].revents())
}

/// Returns whether an upstream has accepted a connection and reset it before the loop heard of it.
#[must_use]
pub fn is_reset(reason: &CloseReason) -> bool {
    matches!(reason, CloseReason::Error(error) if error.kind() == ErrorKind::ConnectionReset)
}

/// Returns whether a connection failed since this process, or this system, has no room for it.
#[must_use]
pub fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|error| shortages.contains(&error))
}
