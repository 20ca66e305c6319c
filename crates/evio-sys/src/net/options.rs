//! Socket options, all with defaults.

use std::time::Duration;

/// How a listening socket is made. Each field has a setter of the same name; more may follow.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// # use evio_sys::net as evio;
/// use evio::{Keepalive, ListenOptions};
///
/// let options = ListenOptions::default()
///     .backlog(512)
///     .keepalive(Keepalive::default())
///     .defer_accept(Duration::from_secs(5));
/// assert_eq!(options.backlog, 512);
/// assert_eq!(options.defer_accept(None).defer_accept, None);
///
/// // The addresses that `Server::bind` is given say these themselves.
/// let options = ListenOptions::default().only_v6(true).reuse_port(true).mode(0o660);
/// // A protocol of which no message waits for an answer can do with fewer packets.
/// assert!(!options.nodelay(false).nodelay);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenOptions {
    /// How many connections may wait to be accepted. Default: 4096, the limit of current Linux
    /// systems. The kernel cuts it to its own limit (`net.core.somaxconn`, `kern.ipc.somaxconn`).
    pub backlog: u16,
    /// Lets several sockets bind the same address, and the kernel choose between them
    /// (`SO_REUSEPORT`, on FreeBSD `SO_REUSEPORT_LB`). An error elsewhere: the last one would get
    /// everything. Default: false.
    pub reuse_port: bool,
    /// Keeps an IPv6 socket from serving IPv4 as well (`IPV6_V6ONLY`). Default: false, whatever the
    /// system's default is. A mapped address, `::ffff:127.0.0.1`, is one of IPv4 all the same.
    pub only_v6: bool,
    /// Sends small segments at once (`TCP_NODELAY`); connections inherit it. Default: true, since
    /// all output of a turn is written together anyway.
    pub nodelay: bool,
    /// Turns TCP keep-alive on; connections inherit it. Default: off.
    pub keepalive: Option<Keepalive>,
    /// Accepts a TCP connection only when it has sent something, or this time has passed
    /// (`TCP_DEFER_ACCEPT`): for protocols in which the client speaks first. In whole seconds,
    /// rounded up. Default: accepted at once.
    ///
    /// FreeBSD, NetBSD and DragonFly have it for as long as the connection says nothing, if the
    /// filter `accf_data(9)` is loaded; on macOS and OpenBSD connections are accepted at once.
    pub defer_accept: Option<Duration>,
    /// The permissions of a socket file, such as `0o660`. Default: what the process's umask leaves.
    pub mode: Option<u32>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 4096,
            reuse_port: false,
            only_v6: false,
            nodelay: true,
            keepalive: None,
            defer_accept: None,
            mode: None,
        }
    }
}

impl ListenOptions {
    /// Sets [`backlog`](#structfield.backlog).
    #[must_use]
    pub fn backlog(mut self, connections: u16) -> Self {
        self.backlog = connections;
        self
    }

    /// Sets [`reuse_port`](#structfield.reuse_port).
    #[must_use]
    pub fn reuse_port(mut self, reuse_port: bool) -> Self {
        self.reuse_port = reuse_port;
        self
    }

    /// Sets [`only_v6`](#structfield.only_v6).
    #[must_use]
    pub fn only_v6(mut self, only_v6: bool) -> Self {
        self.only_v6 = only_v6;
        self
    }

    /// Sets [`nodelay`](#structfield.nodelay).
    #[must_use]
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Sets [`keepalive`](#structfield.keepalive); `None` turns it off.
    #[must_use]
    pub fn keepalive(mut self, keepalive: impl Into<Option<Keepalive>>) -> Self {
        self.keepalive = keepalive.into();
        self
    }

    /// Sets [`defer_accept`](#structfield.defer_accept); `None` turns it off.
    #[must_use]
    pub fn defer_accept(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.defer_accept = timeout.into();
        self
    }

    /// Sets [`mode`](#structfield.mode); `None` leaves it to the umask.
    #[must_use]
    pub fn mode(mut self, mode: impl Into<Option<u32>>) -> Self {
        self.mode = mode.into();
        self
    }

    pub(super) fn defer_accept_seconds(&self) -> Option<u32> {
        self.defer_accept.map(whole_seconds)
    }
}

/// When TCP asks a silent peer whether it is still there, and when it gives up.
///
/// Times are counted in whole seconds and rounded up.
///
/// # Platform notes
///
/// OpenBSD and DragonFly have no such times for a socket: there keep-alive is turned on with the
/// system's own.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// # use evio_sys::net as evio;
/// use evio::Keepalive;
///
/// let keepalive = Keepalive { idle: Duration::from_secs(60), ..Keepalive::default() };
/// assert_eq!(keepalive.count, 9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence before the first probe. Default: 5 minutes.
    pub idle: Duration,
    /// Time between probes. Default: 75 seconds, as in `tcp(7)`.
    pub interval: Duration,
    /// Unanswered probes before the connection fails. Default: 9, as in `tcp(7)`.
    pub count: u32,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { idle: Duration::from_secs(300), interval: Duration::from_secs(75), count: 9 }
    }
}

#[allow(dead_code, reason = "only some backends can set the times")]
impl Keepalive {
    pub(crate) fn idle_seconds(&self) -> u32 {
        whole_seconds(self.idle)
    }

    pub(crate) fn interval_seconds(&self) -> u32 {
        whole_seconds(self.interval)
    }
}

/// The kernel takes 1 to 32767 seconds; `tcp(7)` refuses the rest.
fn whole_seconds(duration: Duration) -> u32 {
    let seconds = duration.as_nanos().div_ceil(1_000_000_000);
    u32::try_from(seconds).unwrap_or(u32::MAX).clamp(1, 32_767)
}

/// Returns what `TCP_USER_TIMEOUT` takes, in which zero stands for the system's own limit.
pub(super) fn whole_milliseconds(timeout: Option<Duration>) -> u32 {
    // The kernel keeps it as an `int`; `tcp(7)` refuses what is negative.
    const LONGEST: u32 = i32::MAX as u32;
    timeout.map_or(0, |timeout| {
        let milliseconds = timeout.as_nanos().div_ceil(1_000_000);
        u32::try_from(milliseconds).unwrap_or(LONGEST).clamp(1, LONGEST)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_round_up_within_the_kernels_range() {
        let cases = [
            (None, 0),
            (Some(Duration::ZERO), 1),
            (Some(Duration::from_nanos(1)), 1),
            (Some(Duration::from_micros(1_001)), 2),
            (Some(Duration::MAX), i32::MAX as u32),
        ];
        for (timeout, expected) in cases {
            assert_eq!(whole_milliseconds(timeout), expected, "{timeout:?}");
        }
    }

    #[test]
    fn seconds_round_up_within_the_kernels_range() {
        let cases = [
            (Duration::ZERO, 1),
            (Duration::from_millis(1), 1),
            (Duration::from_millis(1_001), 2),
            (Duration::MAX, 32_767),
        ];
        for (duration, expected) in cases {
            assert_eq!(whole_seconds(duration), expected, "{duration:?}");
        }
    }
}
