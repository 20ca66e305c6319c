//! The operating system, behind one set of names.
//!
//! This is the only folder of the project that asks which system it is compiled for. Each backend
//! exports exactly the following, with the same signatures:
//!
//! - `NAME`: that of the system's interface.
//! - `Selector`: one epoll or kqueue instance, closed on exec. `register`, `reregister` and
//!   `deregister` take a borrowed descriptor and are level-triggered, except that an interest in
//!   hang-ups alone is reported once, one of an `edge` need be reported once only, and one of
//!   `one_shot` must be, for each direction. Registering twice is `EEXIST`, and changing or
//!   removing what is not registered `ENOENT`; after a failure it is not said what is registered.
//!   Each that succeeds is one system call, and so is `wait`, which fills an `EventBuffer` and
//!   reports `Interrupted` to its caller. A timeout is rounded up and may be cut to the longest
//!   wait the system can express.
//!   `as_fd` is readable when an event waits.
//! - `EventBuffer`: `with_capacity`, `len` and `get`, which decodes into a neutral
//!   [`Event`](crate::Event). The end of input is `readable`, and `read_closed` where that is
//!   waited for; `hangup_or_error` means that the connection failed or both directions have ended,
//!   which `write_closed` tells, too; `read_on` that a short read does not get to all there is.
//! - `Notifier`: `notify` makes the selector report its token once, from any thread; `acknowledge`
//!   is called by the polling thread after each report, before the next wait.
//! - `open_socket`: a non-blocking socket, closed on exec.
//! - `accept_tcp` and `accept_unix`: a connection, closed on exec, on which no call waits that says
//!   so. A failure concerns the connection unless the error number says otherwise.
//! - `send` and `send_vectored`: one write that does not wait, and cannot raise SIGPIPE where the
//!   system allows that to be said. `send_before_fin` may keep the bytes back for an end
//!   that follows.
//! - `enable_pktinfo`: has a UDP socket tell the local address of each datagram, and returns the
//!   room for that, or `None` if the system does not tell; `recv_with_local` and `send_from` go
//!   with it.
//! - `disable_multicast_all`: keeps multicast that other sockets joined from a UDP socket.
//! - `disable_error_queue`: has nothing reported that a socket was told beside its input.
//! - `datagram_merger`: the name of an option with which several datagrams of a socket are one.
//! - `protocol`: the number of a socket's protocol, if the system tells.
//! - `IS_SHARED_LATER`: whether `set_reuse_port` may follow a bind.
//! - `set_reuse_port`: lets several sockets bind one address and the system balance between them.
//! - `set_only_v6`: whether a socket of IPv6 serves IPv4 as well.
//! - `set_user_timeout`: how long what was sent may stay unacknowledged before TCP gives the
//!   connection up, in milliseconds; nothing where the system cannot.
//! - `output_len`: how many bytes of output the kernel holds because the peer has not taken them.
//! - `set_defer_accept`: has a listener report connections when they have sent something; nothing
//!   where the system cannot.
//! - `reset`: resets a TCP connection, at the latest when its last descriptor is closed.
//! - `pin_thread`: has the calling thread run on the nth processor that it may use.
//! - `batch_thread`: has the calling thread not preempt others; nothing where the system cannot.
//! - `set_keepalive`, `abstract_address` and `abstract_name`: what only some systems have; an
//!   `Unsupported` error, or `None`, elsewhere.
//!
//! What they cost:
//!
//! | | epoll | kqueue |
//! |---|---|---|
//! | to register, to change, to remove | one `epoll_ctl` | one `kevent`, with two changes for each filter |
//! | to wait for a hang-up alone | nothing | two filters, which stay silent |
//! | a socket with `edge` that is ready and left alone | nothing | looked at in each wait |
//! | one connection of a listener that several wait for | wakes one of them | wakes all |
//! | the end of a connection | nothing | one `getpeername` for each event that tells of an end |
//! | to wake a waiting thread | one write | one `kevent`; on NetBSD and OpenBSD one write, and one read |
//! | to accept | one call | one call; four on macOS |
//! | input and output of a socket, both ready | one event | two, in any order |
//!
//! `raw` and `datagram` are for all of them: system calls without a safe wrapper, and how a
//! datagram is received with what the system tells of it.

mod datagram;
mod raw;

#[cfg(all(target_os = "linux", not(evio_kqueue)))]
#[path = "epoll.rs"]
mod imp;

#[cfg(any(
    target_os = "macos",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
    evio_kqueue,
))]
#[path = "kqueue.rs"]
mod imp;

#[cfg(not(any(
    target_os = "linux",
    target_os = "macos",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
)))]
compile_error!(
    "evio-sys needs epoll of Linux or kqueue of macOS, FreeBSD, NetBSD, OpenBSD or DragonFly; \
     what Android and illumos call epoll is not tested, so they are refused"
);

#[cfg(not(feature = "sim"))]
pub(crate) use imp::{EventBuffer, Notifier, Selector};
#[cfg(feature = "sim")]
pub(crate) use imp::{
    EventBuffer as RealEventBuffer, Notifier as RealNotifier, Selector as RealSelector,
};
pub(crate) use imp::{
    IS_SHARED_LATER, NAME, abstract_address, abstract_name, accept_tcp, accept_unix, batch_thread,
    datagram_merger, disable_error_queue, disable_multicast_all, enable_pktinfo, open_socket,
    output_len, pin_thread, protocol, recv_with_local, reset, send, send_before_fin, send_from,
    send_vectored, set_defer_accept, set_keepalive, set_only_v6, set_reuse_port, set_user_timeout,
};
pub(crate) use raw::{input_len, listen};

/// Chooses between these and the simulated kernel, by thread.
#[cfg(feature = "sim")]
pub(crate) use crate::sim::switch::{EventBuffer, Notifier, Selector};
