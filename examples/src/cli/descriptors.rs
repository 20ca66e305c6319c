//! The limit of open descriptors, which every connection counts against.

use log::{info, warn};

/// Descriptors beside those of connections, with a margin: standard streams, listeners, loops,
/// files, and the log.
const OTHERS: u64 = 64;

/// Raises the soft limit of descriptors to the hard one, and logs it; see getrlimit(2).
///
/// The soft limit is often 1,024, for programs that use select(2). There, so many silent clients
/// would keep all others out.
pub(super) fn raise_limit(max_connections: usize) {
    let Ok((before, _)) = rlimit::Resource::NOFILE.get() else { return };
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(before);
    if limit > before {
        info!("descriptor limit raised from {before} to {limit}");
    }
    if (max_connections as u64).saturating_add(OTHERS) > limit {
        warn!("the descriptor limit is {limit}: too few for {max_connections} connections");
    }
}
