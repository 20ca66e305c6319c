//! macOS and the BSDs: kqueue.
//!
//! A descriptor is watched by two filters, one for its input and one for its output, which are
//! added, removed and reported separately. What the systems have besides differs:
//!
//! | | FreeBSD | macOS | NetBSD | OpenBSD | DragonFly |
//! |---|---|---|---|---|---|
//! | `accept4`, `SOCK_CLOEXEC`, `MSG_NOSIGNAL` | yes | no | yes | yes | yes |
//! | sockets that share a port are balanced | `SO_REUSEPORT_LB` | no | no | no | no |
//! | times of keep-alive | yes | yes | yes | no | no |
//! | events of the program's own (`EVFILT_USER`) | yes | yes | no | no | yes |
//! | the local address of a datagram | yes | yes | yes | IPv4 | IPv4 |
//! | a listener that waits for input | `accf_data(9)` | no | `accf_data(9)` | no | `accf_data(9)` |
//! | how much output is left | `FIONWRITE` | `SO_NWRITE` | `FIONWRITE` | no | no |
//! | IPv4 on an IPv6 socket | yes | yes | yes | no | no |

#[path = "kqueue/datagram.rs"]
mod datagram;
#[cfg(evio_kqueue)]
#[path = "kqueue/model/mod.rs"]
mod model;
#[path = "kqueue/notifier.rs"]
mod notifier;
#[path = "kqueue/options.rs"]
mod options;
#[path = "kqueue/socket.rs"]
mod socket;
#[path = "kqueue/unsupported.rs"]
mod unsupported;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
#[cfg(not(evio_kqueue))]
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use nix::sys::time::TimeSpec;

use crate::event::{Event, Readiness};
use crate::interest::Interest;
use crate::token::Token;

#[cfg(evio_kqueue)]
use model::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};

pub(crate) use datagram::{enable_pktinfo, recv_with_local, send_from};
pub(crate) use notifier::Notifier;
use notifier::is_notification;
pub(crate) use options::{
    IS_SHARED_LATER, output_len, set_defer_accept, set_keepalive, set_only_v6, set_reuse_port,
    set_user_timeout,
};
pub(crate) use socket::{
    accept_tcp, accept_unix, open_socket, reset, send, send_before_fin, send_vectored,
};
pub(crate) use unsupported::{
    abstract_address, abstract_name, batch_thread, datagram_merger, disable_error_queue,
    disable_multicast_all, pin_thread, protocol,
};

// A token has 64 bits, and travels in a field of the size of a pointer.
#[cfg(not(target_pointer_width = "64"))]
compile_error!("evio-sys supports kqueue on 64-bit systems only");

pub(crate) const NAME: &str = "kqueue";

#[derive(Debug)]
pub(crate) struct Selector {
    /// A notifier may have it, too.
    kqueue: Arc<Kqueue>,
}

impl Selector {
    pub(crate) fn new() -> io::Result<Self> {
        let kqueue = Kqueue::new()?;
        fcntl(&kqueue, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        Ok(Self { kqueue: Arc::new(kqueue) })
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.kqueue.as_fd()
    }

    pub(crate) fn register(
        &self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        match self.replace(fd, Some((token, interest)))? {
            true => Err(Errno::EEXIST.into()),
            false => Ok(()),
        }
    }

    pub(crate) fn reregister(
        &self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        if !self.replace(fd, Some((token, interest)))? {
            self.replace(fd, None)?;
            return Err(Errno::ENOENT.into());
        }
        Ok(())
    }

    pub(crate) fn deregister(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        match self.replace(fd, None)? {
            true => Ok(()),
            false => Err(Errno::ENOENT.into()),
        }
    }

    pub(crate) fn wait(
        &self,
        buffer: &mut EventBuffer,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        buffer.ready.clear();
        let time = timeout.map(|timeout| *TimeSpec::from(timeout.min(LONGEST_WAIT)).as_ref());
        loop {
            let count = self.kqueue.kevent(&[], &mut buffer.events, time)?;
            buffer.decode(count);
            // What says nothing is no reason to end a wait; how much of a time is left, the poller
            // knows.
            if buffer.len() > 0 || count == 0 || timeout.is_some() {
                return Ok(());
            }
        }
    }

    /// Removes both filters of a descriptor, then adds those of an interest, in one call. Returns
    /// whether the descriptor had any before.
    ///
    /// They are removed because EV_ADD leaves the flags of a filter as they are, EV_CLEAR among
    /// them. EV_RECEIPT makes the kernel answer each change with an entry whose data is the error,
    /// and keeps pending events for the next wait.
    fn replace(&self, fd: BorrowedFd<'_>, wanted: Option<(Token, Interest)>) -> io::Result<bool> {
        let mut changes = [blank(); 4];
        for (change, filter) in changes.iter_mut().zip(FILTERS) {
            *change = kevent(fd, filter, EvFlags::EV_DELETE, Watch::Readiness, Token(0));
        }
        let mut count = FILTERS.len();
        if let Some((token, interest)) = wanted {
            for (filter, watch) in watches(interest) {
                changes[count] = kevent(fd, filter, EvFlags::EV_ADD, watch, token);
                count += 1;
            }
        }
        let mut receipts = [blank(); 4];
        self.kqueue.kevent(&changes[..count], &mut receipts[..count], None)?;
        let (removed, added) = receipts[..count].split_at(FILTERS.len());
        if let Some(errno) = added.iter().find_map(failure) {
            for filter in FILTERS {
                let change = [kevent(fd, filter, EvFlags::EV_DELETE, Watch::Readiness, Token(0))];
                self.kqueue.kevent(&change, &mut receipts[..1], None)?;
            }
            return Err(io::Error::from_raw_os_error(errno));
        }
        Ok(removed.iter().any(|receipt| failure(receipt).is_none()))
    }
}

const FILTERS: [EventFilter; 2] = [EventFilter::EVFILT_READ, EventFilter::EVFILT_WRITE];

/// What a filter is to report.
#[derive(Clone, Copy)]
enum Watch {
    /// That there is something to read or room to write, as long as there is.
    Readiness,
    /// The same, once: EV_DISPATCH disables the filter, and leaves it there.
    ReadinessOnce,
    /// Only that the end has come, and that once: EV_CLEAR, and a low water mark (NOTE_LOWAT) that
    /// no buffer reaches. macOS takes a full buffer for it, which [`readiness`] sees.
    End,
}

/// Returns the filters that an interest needs. The end of a connection is reported by each; where
/// nothing is waited for, it takes both: a reset shows in the input, a close of both directions in
/// the output.
fn watches(interest: Interest) -> impl Iterator<Item = (EventFilter, Watch)> {
    let [read, write] = FILTERS;
    let wanted = if interest.is_one_shot() { Watch::ReadinessOnce } else { Watch::Readiness };
    let watches = match (interest.is_readable(), interest.is_writable()) {
        (false, false) => [Some((read, Watch::End)), Some((write, Watch::End))],
        (readable, writable) => {
            [readable.then_some((read, wanted)), writable.then_some((write, wanted))]
        }
    };
    watches.into_iter().flatten()
}

/// Longer waits are refused by some kernels; the poller waits again.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

fn kevent(
    fd: BorrowedFd<'_>,
    filter: EventFilter,
    flags: EvFlags,
    watch: Watch,
    token: Token,
) -> KEvent {
    let ident = usize::try_from(fd.as_raw_fd()).expect("an open descriptor is not negative");
    let flags = flags | EvFlags::EV_RECEIPT;
    let (flags, fflags, data) = match watch {
        Watch::Readiness => (flags, FilterFlag::empty(), 0),
        Watch::ReadinessOnce => (flags | EvFlags::EV_DISPATCH, FilterFlag::empty(), 0),
        Watch::End => (flags | EvFlags::EV_CLEAR, FilterFlag::NOTE_LOWAT, i32::MAX as _),
    };
    KEvent::new(ident, filter, flags, fflags, data, token.0 as isize)
}

fn blank() -> KEvent {
    KEvent::new(0, EventFilter::EVFILT_READ, EvFlags::empty(), FilterFlag::empty(), 0, 0)
}

/// Returns the error number of a change that failed.
fn failure(receipt: &KEvent) -> Option<i32> {
    let is_error = receipt.flags().contains(EvFlags::EV_ERROR) && receipt.data() != 0;
    is_error.then(|| i32::try_from(receipt.data()).unwrap_or(i32::MAX))
}

#[derive(Debug)]
pub(crate) struct EventBuffer {
    events: Vec<KEvent>,
    /// Those of the last wait that say something.
    ready: Vec<Event>,
}

impl EventBuffer {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { events: vec![blank(); capacity], ready: Vec::with_capacity(capacity) }
    }

    pub(crate) fn len(&self) -> usize {
        self.ready.len()
    }

    /// Takes the first `count` events.
    fn decode(&mut self, count: usize) {
        let decoded = self.events[..count].iter().filter_map(|event| {
            let readiness = readiness(event);
            let Readiness { readable, writable, hangup_or_error, .. } = readiness;
            let says_something = readable || writable || hangup_or_error;
            says_something.then(|| Event::new(Token(event.udata() as u64), readiness))
        });
        self.ready.extend(decoded);
    }

    pub(crate) fn get(&self, index: usize) -> Event {
        self.ready[index]
    }
}

/// EV_EOF comes with an error number if the connection failed. Without one it is
/// - in the input the FIN of the peer, with what is still unread: `readable`, if that is wanted;
/// - in the output our own shutdown, or the end of both directions.
fn readiness(event: &KEvent) -> Readiness {
    if is_notification(event) {
        return Readiness::INPUT;
    }
    let is_eof = event.flags().contains(EvFlags::EV_EOF);
    let has_failed = is_eof && event.fflags().bits() != 0;
    let is_end_only = event.flags().contains(EvFlags::EV_CLEAR);
    let is_write = matches!(event.filter(), Ok(EventFilter::EVFILT_WRITE));
    let is_over = has_failed || is_eof && socket::is_over(event.ident() as RawFd);
    Readiness {
        readable: !is_write && !is_end_only,
        writable: is_write && !is_end_only,
        hangup_or_error: is_over || event.flags().contains(EvFlags::EV_ERROR),
        // Whatever is left is reported again.
        read_on: false,
        read_closed: is_over || is_eof && !is_write,
        write_closed: is_over || is_eof && is_write,
    }
}
