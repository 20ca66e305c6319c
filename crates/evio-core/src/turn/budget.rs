//! How much one turn does, whatever the source of the work: then it polls again, so that what
//! has become ready meanwhile has its turn.
//!
//! Accepting and datagrams have their budgets in their own folders, `ACCEPT_BUDGET` connections and
//! `DATAGRAM_BUDGET` datagrams. A shutdown is the exception: it goes through all connections in one
//! turn.

/// Events taken in a turn. Few enough that the output of a turn is still in the cache when it is
/// sent: 64 cost 12 % less than 1024 for messages of 64 KiB, and the same for small ones.
pub(crate) const EVENTS: usize = 64;

/// Bytes read from one connection in a turn; also room for any datagram.
pub(crate) const READ_BUFFER: usize = 64 << 10;

/// Bytes read from one connection in a turn with as many events as fit: there is a crowd, and the
/// time to its end is the latency of all the others.
const CROWDED_READ: usize = 16 << 10;

/// Full reads in a turn of connections that the last turns left input of; reads that find little,
/// or the end, cost little, and are bounded by [`EVENTS`]. All come after what has become ready
/// since: a client that sends a request now and then does not wait for those that send without end.
pub(crate) const BACKLOG: usize = 8;

/// Mail carried out in a turn: messages, tasks, and connections that a broadcast is written to. The
/// last message goes beyond it by the tasks that share it, 64 at the most.
pub(crate) const MAIL: usize = 1024;

/// Connections looked at in a turn because a deadline may have passed.
pub(crate) const DEADLINES: usize = 256;

/// Timers of the loop that are called in a turn.
pub(crate) const LOOP_TIMERS: usize = 256;

/// Bytes sent from queues in a turn, shared out among the connections that have any; those that get
/// none come first in the next turn. The last send goes beyond it by what the socket has room for.
pub(crate) const SEND: usize = 4 << 20;

/// Bytes that one connection sends at its deadline on a loop that is late, whatever the others have
/// sent in the turn: a look for each of [`DEADLINES`] makes 4 MiB more at most.
pub(crate) const LATE_TRY: usize = 16 << 10;

/// The least and the most that one connection sends from its queue in a turn.
const SEND_MIN: usize = 64 << 10;
const SEND_MAX: usize = 1 << 20;

/// Returns how many bytes are read from each connection in a turn with so many events.
#[inline]
pub(crate) fn read_share(events: usize) -> usize {
    if events < EVENTS { READ_BUFFER } else { CROWDED_READ }
}

/// Returns how many bytes each of so many connections sends from its queue in a turn.
#[inline]
pub(crate) fn send_share(connections: usize) -> usize {
    match connections {
        0..=4 => SEND_MAX,
        more => (SEND / more).max(SEND_MIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_get_smaller_with_the_crowd() {
        assert_eq!(read_share(1), READ_BUFFER);
        assert_eq!(read_share(EVENTS), CROWDED_READ);
        let shares = [1, 4, 5, 16, 64, 10_000].map(send_share);
        assert_eq!(shares[0], SEND_MAX);
        assert!(shares.windows(2).all(|pair| pair[0] >= pair[1]), "{shares:?}");
        assert_eq!(shares[5], SEND_MIN);
    }
}
