//! The errors that each system call can fail with, and what they may cost.
//!
//! They are those of the man pages that a correct program can meet: none says that the program has
//! passed nonsense (EBADF, EFAULT).
//!
//! Left out, for no kernel does it:
//!
//! - EAGAIN of a call that receives or sends. A TCP connection is reported once (EPOLLET), and
//!   again only after its socket was really empty or full. The library of [`preload`] injects it,
//!   with the report that must follow.
//! - EAGAIN of a write to an eventfd whose counter is not full, and of getrandom(2) with
//!   GRND_INSECURE.
//!
//! ENOMEM of mmap(2) is left out too: an allocation that fails ends a Rust program by design.
//!
//! [`preload`]: super::preload

/// What an error may cost the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    /// Nobody may notice.
    Nothing,
    /// The connection that the call was made for may be lost.
    OneConnection,
}

/// A system call, and the errors that are injected into it.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: &'static str,
    errors: &'static [(&'static str, Cost)],
}

use Cost::{Nothing, OneConnection};

const RECEIVE: &[(&str, Cost)] = &[
    ("EINTR", Nothing),
    ("ECONNRESET", OneConnection),
    ("ETIMEDOUT", OneConnection),
    ("EHOSTUNREACH", OneConnection),
    ("ENOMEM", OneConnection),
];

const SEND: &[(&str, Cost)] = &[
    ("EINTR", Nothing),
    ("EPIPE", OneConnection),
    ("ECONNRESET", OneConnection),
    ("ENOBUFS", OneConnection),
    ("ENOMEM", OneConnection),
];

/// Descriptors and memory, which any call that makes a descriptor can lack.
const MAKE: &[(&str, Cost)] =
    &[("EMFILE", OneConnection), ("ENFILE", OneConnection), ("ENOMEM", OneConnection)];

const OPTION: &[(&str, Cost)] =
    &[("EINVAL", OneConnection), ("ENOPROTOOPT", OneConnection), ("ENOBUFS", OneConnection)];

const NAME: &[(&str, Cost)] = &[("ENOTCONN", OneConnection), ("ENOBUFS", OneConnection)];

const WAIT: &[(&str, Cost)] = &[("EINTR", Nothing)];

/// The calls, those of a connection first.
pub(super) const CALLS: &[Call] = &[
    Call {
        name: "accept4",
        errors: &[
            ("EMFILE", OneConnection),
            ("ENFILE", OneConnection),
            ("ENOBUFS", Nothing),
            ("ENOMEM", Nothing),
            ("ECONNABORTED", Nothing),
            ("EINTR", Nothing),
            ("EPERM", Nothing),
            ("EPROTO", Nothing),
            ("EAGAIN", Nothing),
        ],
    },
    Call { name: "recvfrom", errors: RECEIVE },
    Call { name: "recvmsg", errors: RECEIVE },
    Call { name: "readv", errors: RECEIVE },
    Call { name: "read", errors: &[("EINTR", Nothing), ("EIO", OneConnection)] },
    Call { name: "sendto", errors: SEND },
    Call { name: "sendmsg", errors: SEND },
    Call { name: "writev", errors: SEND },
    Call { name: "write", errors: &[("EINTR", Nothing)] },
    Call {
        name: "epoll_ctl",
        errors: &[("ENOSPC", OneConnection), ("ENOMEM", OneConnection), ("ENOENT", OneConnection)],
    },
    Call { name: "epoll_wait", errors: WAIT },
    Call { name: "epoll_pwait", errors: WAIT },
    Call { name: "epoll_pwait2", errors: WAIT },
    Call { name: "poll", errors: &[("EINTR", Nothing), ("ENOMEM", OneConnection)] },
    Call { name: "close", errors: &[("EINTR", Nothing), ("EIO", Nothing)] },
    Call { name: "shutdown", errors: &[("ENOTCONN", OneConnection)] },
    Call { name: "setsockopt", errors: OPTION },
    Call { name: "getsockopt", errors: OPTION },
    Call { name: "getsockname", errors: NAME },
    Call { name: "getpeername", errors: NAME },
    Call { name: "ioctl", errors: &[("EINVAL", OneConnection)] },
    Call {
        name: "connect",
        errors: &[
            ("ECONNREFUSED", OneConnection),
            ("ETIMEDOUT", OneConnection),
            ("ENETUNREACH", OneConnection),
            ("EHOSTUNREACH", OneConnection),
            ("EADDRNOTAVAIL", OneConnection),
            ("EAGAIN", OneConnection),
            ("EINTR", OneConnection),
        ],
    },
    Call {
        name: "socket",
        errors: &[
            ("EMFILE", OneConnection),
            ("ENFILE", OneConnection),
            ("ENOMEM", OneConnection),
            ("EACCES", OneConnection),
            ("EAFNOSUPPORT", OneConnection),
        ],
    },
    Call {
        name: "bind",
        errors: &[
            ("EADDRINUSE", Nothing),
            ("EACCES", Nothing),
            ("EADDRNOTAVAIL", Nothing),
            ("ENOMEM", Nothing),
        ],
    },
    Call { name: "listen", errors: &[("EADDRINUSE", Nothing), ("EOPNOTSUPP", Nothing)] },
    Call { name: "epoll_create1", errors: MAKE },
    Call { name: "eventfd2", errors: MAKE },
    Call { name: "socketpair", errors: MAKE },
    Call { name: "pipe2", errors: MAKE },
    Call {
        name: "openat",
        errors: &[("EMFILE", Nothing), ("ENFILE", Nothing), ("EACCES", Nothing)],
    },
    Call { name: "fcntl", errors: &[("EMFILE", OneConnection), ("ENOLCK", OneConnection)] },
    Call { name: "prlimit64", errors: &[("EPERM", Nothing)] },
    Call { name: "clone3", errors: &[("EAGAIN", Nothing), ("ENOMEM", Nothing)] },
    Call { name: "getrandom", errors: &[("EINTR", Nothing)] },
];

impl Call {
    /// Returns the errors and their costs.
    pub(super) fn errors(&self) -> &'static [(&'static str, Cost)] {
        self.errors
    }
}

/// Returns what the error may cost, if the table has it.
pub(super) fn cost_of(call: &str, error: &str) -> Option<Cost> {
    let call = CALLS.iter().find(|known| known.name == call)?;
    call.errors.iter().find(|(name, _)| *name == error).map(|(_, cost)| *cost)
}

#[cfg(test)]
mod tests {
    use super::{CALLS, cost_of};

    #[test]
    fn every_call_and_error_stands_there_once() {
        let mut names: Vec<_> = CALLS
            .iter()
            .flat_map(|call| call.errors().iter().map(|(error, _)| (call.name, *error)))
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.iter().all(|(call, error)| cost_of(call, error).is_some()));
        assert_eq!(cost_of("accept4", "EBADF"), None);
    }
}
