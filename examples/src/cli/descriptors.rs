//! The limit of open descriptors, which every connection counts against.

use evio::Server;
use log::{info, warn};

use super::clients::DEFAULT_CONNECTIONS;

/// Descriptors beside those of clients and loops, with a margin: standard streams, listeners, files
/// that are looked at, and the log.
const OTHERS: u64 = 64;

/// Descriptors of a loop: its poller, and what wakes it.
const PER_LOOP: u64 = 2;

/// The part of the limit that is kept for others, at most: with few descriptors, most are still for
/// clients.
const MAX_OTHERS: u64 = 4;

/// What a server needs of descriptors.
#[derive(Clone, Copy, Debug)]
pub struct Descriptors {
    /// How many a client takes: more than one if a file is sent to it, or another connection is
    /// made for it.
    pub per_client: u64,
    /// How many loops the server has.
    pub loops: usize,
    /// How many the server needs for itself, beside those that every server does.
    pub others: u64,
}

impl Default for Descriptors {
    /// One for each client, and one loop.
    fn default() -> Self {
        Self { per_client: 1, loops: 1, others: 0 }
    }
}

impl Descriptors {
    /// Returns how many clients there are descriptors for; one at least.
    fn room(self, limit: u64) -> u64 {
        let own = OTHERS + PER_LOOP * self.loops as u64;
        let others = self.others.saturating_add(own).min(limit / MAX_OTHERS);
        ((limit - others) / self.per_client).max(1)
    }
}

/// Raises the soft limit of descriptors to the hard one, see getrlimit(2), and limits the clients:
/// to `max_connections`, or to as many as there are descriptors for. A default that is
/// lowered is no news: nobody has asked for it.
///
/// The soft limit is often 1,024, for programs that use select(2). There, so many silent clients
/// would keep all others out.
pub(super) fn limit_clients(
    server: Server,
    max_connections: usize,
    descriptors: Descriptors,
) -> Server {
    let Ok((before, _)) = rlimit::Resource::NOFILE.get() else {
        return server.max_connections(max_connections);
    };
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(before);
    if limit > before {
        info!("descriptor limit raised from {before} to {limit}");
    }
    let room = descriptors.room(limit);
    if max_connections as u64 <= room {
        return server.max_connections(max_connections);
    }
    if descriptors.per_client == 1 {
        // The loop copes: whom it cannot accept after a while it turns away.
        warn!("the descriptor limit is {limit}: too few for {max_connections} connections");
        return server.max_connections(max_connections);
    }
    // A client that is accepted and lacks its second descriptor would be better off waiting.
    if max_connections != DEFAULT_CONNECTIONS {
        info!("{limit} descriptors are enough for {room} clients: more of them wait");
    }
    server.max_connections(usize::try_from(room).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_others_is_a_quarter_at_most() {
        let room =
            |limit, per_client, others| Descriptors { per_client, loops: 1, others }.room(limit);
        assert_eq!(room(1024, 1, 0), 958);
        assert_eq!(room(1024, 2, 0), 479);
        assert_eq!(room(1024, 2, 40), 459);
        assert_eq!(room(1024, 2, 1000), 384);
        assert_eq!(room(100, 2, 0), 37);
        let loops = Descriptors { per_client: 2, loops: 32, others: 0 };
        assert_eq!([512, 4096].map(|limit| loops.room(limit)), [192, 1984]);
        for limit in 0..3 {
            assert_eq!(room(limit, 2, u64::MAX), 1);
        }
        assert_eq!(room(u64::MAX, 1, 0), u64::MAX - OTHERS - PER_LOOP);
    }
}
