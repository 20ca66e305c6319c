//! How much one connection may hold, and how long things may take.

use std::time::Duration;

use crate::types::setters::setters;

/// How much a connection may hold, and how long things may take.
///
/// # Times
///
/// Times are kept in steps of 16 ms: nothing ends early, and nothing later than three steps after
/// the loop could look. Before the loop cuts a connection off, it asks the socket: input that waits
/// is read, and output is tried if poll(2) reports room, or if the loop is late because a callback
/// took long. A timeout of more than a year is none.
///
/// What the peer takes of the output is progress. On Linux the loop asks the kernel how much it
/// still holds (`SIOCOUTQ`), 50 to 100 ms after a full socket has stopped the output and at each
/// deadline; on other systems it knows only of room that the poller reports. A peer that goes on
/// taking little and then nothing is noticed within twice the time. So timeouts of output should
/// not be shorter than 100 ms.
///
/// Closing a connection takes no limit away: `write_timeout` and `congestion_timeout` hold until
/// the output is sent, `close_timeout` counts anew with each byte that the peer takes, and
/// `flush_timeout` does not.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// # use evio_core as evio;
/// use evio::Limits;
///
/// /// The limits of a chat, which has many clients and small messages.
/// fn limits() -> Limits {
///     Limits::default()
///         // A client that does not read is not read from, and is dropped after a minute of that.
///         .high_watermark(64 << 10)
///         .low_watermark(16 << 10)
///         .max_output(1 << 20)
///         .congestion_timeout(Some(Duration::from_secs(60)))
///         // So is one whose machine has gone, and one that has said nothing for an hour.
///         .write_timeout(Some(Duration::from_secs(30)))
///         .idle_timeout(Some(Duration::from_secs(3600)))
///         // Its end is not waited for when there is little to say, and more input is of no use.
///         .close_timeout(Duration::from_secs(1))
///         .flush_timeout(Duration::from_secs(10))
///         .max_discarded(64 << 10)
///         // What another server is asked for is worth a few seconds.
///         .connect_timeout(Duration::from_secs(3))
///         .reply_timeout(Duration::from_secs(5))
///         .max_owed_replies(8)
/// }
///
/// assert!(limits().high_watermark < Limits::default().high_watermark);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Unsent output, in bytes, above which the connection is not read from. Default: 256 KiB.
    pub high_watermark: usize,
    /// Unsent output, in bytes, at which reading goes on and
    /// [`Handler::drained`](crate::Handler::drained) is called; one above `high_watermark` is taken
    /// as that. Default: 64 KiB.
    pub low_watermark: usize,
    /// Unsent output, in bytes, above which the connection is aborted. Default: 64 MiB.
    pub max_output: usize,
    /// Input, in bytes, that a closing connection reads and throws away, for the peer to come to
    /// read the last output, before the connection is reset. Default: 64 MiB.
    pub max_discarded: usize,
    /// How long unsent output may stay above the low watermark, having gone above the high one,
    /// before the connection is aborted: for slow consumers. Default: for ever.
    pub congestion_timeout: Option<Duration>,
    /// How long output may wait without the peer taking any of it before the connection is
    /// aborted. Default: for ever.
    ///
    /// It is also the `TCP_USER_TIMEOUT` of the socket, see tcp(7), on systems that have it: the
    /// kernel ends a connection whose peer has taken nothing of what it holds for so long, also one
    /// that answers and does not read, with
    /// [`CloseReason::Error`](crate::CloseReason::Error) and
    /// [`TimedOut`](std::io::ErrorKind::TimedOut). It is the only end of a peer that vanished after
    /// the kernel had taken all output, and on other systems that takes the kernel's own time,
    /// minutes in most cases. A peer that reads so little at a time that its window has no room for
    /// a whole segment, which takes a very small receive buffer, takes nothing by the kernel's
    /// count.
    pub write_timeout: Option<Duration>,
    /// How long an outbound connection may take to come about. Default: 10 seconds.
    pub connect_timeout: Duration,
    /// How long a connection may be silent in both directions before it is closed, as by
    /// [`Action::Close`](crate::Action::Close); a peer that does not close its end as well is
    /// waited for half a second. Input that waits unread, because the handler has paused it or too
    /// much output waits, is not silence. Output counts until the kernel has taken the last of it,
    /// which can be long before the peer has. Default: for ever.
    pub idle_timeout: Option<Duration>,
    /// How long a closing connection waits for a peer that takes nothing, and how long, once
    /// everything was sent, for the peer to close its side. Default: 5 seconds.
    pub close_timeout: Duration,
    /// How long a closing connection may take in all, however steadily the peer takes its output.
    /// Default: 10 minutes.
    pub flush_timeout: Duration,
    /// How long a connection whose peer has ended its output, or that is told to
    /// [stop](crate::Handler::stopping), is kept for the [replies](crate::Conn::reply) that are
    /// owed. It is not idle meanwhile. While replies are owed to others, an `idle_timeout` is at
    /// least as long as this. Default: 60 seconds.
    pub reply_timeout: Duration,
    /// With so many [replies](crate::Conn::reply) owed, a connection is
    /// [paused](crate::Conn::is_paused) until half of them are given, and then
    /// [woken](crate::Handler::woken): a callback that has more input at hand leaves it until then.
    /// Default: 1,024.
    pub max_owed_replies: u32,
}

/// Long enough for three repetitions of the first packet, after 1, 2 and 4 seconds; a peer that has
/// not answered by then is not worth waiting for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The default high watermark at 450 bytes a second, which is a bad modem; more output than that is
/// there only if the handler does not heed the watermarks.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(600);

impl Default for Limits {
    fn default() -> Self {
        Self {
            high_watermark: 256 << 10,
            low_watermark: 64 << 10,
            max_output: 64 << 20,
            max_discarded: 64 << 20,
            congestion_timeout: None,
            write_timeout: None,
            connect_timeout: CONNECT_TIMEOUT,
            idle_timeout: None,
            close_timeout: Duration::from_secs(5),
            flush_timeout: FLUSH_TIMEOUT,
            reply_timeout: Duration::from_secs(60),
            max_owed_replies: 1024,
        }
    }
}

impl Limits {
    setters! {
        high_watermark: usize,
        low_watermark: usize,
        max_output: usize,
        max_discarded: usize,
        congestion_timeout: Option<Duration>,
        write_timeout: Option<Duration>,
        connect_timeout: Duration,
        idle_timeout: Option<Duration>,
        close_timeout: Duration,
        flush_timeout: Duration,
        reply_timeout: Duration,
        max_owed_replies: u32,
    }

    /// Returns the output at which a congested connection is read from again.
    #[inline]
    pub(crate) fn effective_low_watermark(&self) -> usize {
        self.low_watermark.min(self.high_watermark)
    }
}
