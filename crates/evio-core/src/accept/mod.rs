//! From a listening socket to a choice of loop.
//!
//! [`Acceptor`](acceptor::Acceptor) owns the listeners of one loop and says when each is asked
//! again; [`Placement`](placement::Placement) is what all loops share: the policy and the counts.
//! The folder knows no connection table and no mailbox: it returns what was accepted.

pub(crate) mod acceptor;
pub(crate) mod connection_limits;
pub(crate) mod listener;
pub(crate) mod load_balance;
pub(crate) mod placement;
pub(crate) mod random;
pub(crate) mod shortage;
#[cfg(test)]
mod tests;
