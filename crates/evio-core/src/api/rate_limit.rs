//! A limit of what a connection may send in a time.

use std::time::{Duration, Instant};

use crate::api::conn::Conn;
use crate::types::pause_reason::PauseReason;

/// A limit of what comes in a time, in bytes, messages or whatever is counted: a token bucket.
///
/// The bucket holds `burst` at the most, and is filled by `per_second` evenly. A handler keeps one
/// in the context of a connection and counts what comes with [`take`](Self::take), which stops the
/// input when the bucket is empty, until it is filled again: the kernel's receive buffer fills up,
/// and flow control makes the peer wait. Nothing else is to be done; the connection's timer is not
/// used, and another [reason](PauseReason) for a pause is not disturbed.
///
/// What has come has come: the last piece that is counted may take more than there is. That is paid
/// off before anything more is read, so over any time no more comes than `burst`, what is filled in
/// meanwhile, and this last piece, which is at most 64 KiB of input.
///
/// Input goes on up to 48 ms late, as with
/// [`pause_reading_until`](Conn::pause_reading_until). So that a peer gets all of its rate, `burst`
/// should be at least what is filled in in that time, a twentieth of `per_second`.
///
/// For what must not be taken beyond the limit, such as datagrams, or messages that can wait in an
/// [`InputStream`](crate::InputStream), there is [`try_take`](Self::try_take).
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::{Action, Conn, Handler, RateLimit};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     type Context = RateLimit;
///
///     fn context(&mut self, _: &Conn<'_>) -> RateLimit {
///         // 1 MiB a second, and 256 KiB at once.
///         RateLimit::new(1 << 20, 256 << 10)
///     }
///
///     fn data(&mut self, conn: &mut Conn<'_>, limit: &mut RateLimit, input: &[u8]) -> Action {
///         limit.take(conn, input.len() as u64);
///         conn.write(input);
///         Action::None
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct RateLimit {
    per_second: u64,
    /// The time in which an empty bucket is filled.
    fill_time: Duration,
    /// When the bucket is full, if nothing is taken until then; `None` for one that always was. One
    /// moment says all: the bucket is empty while this is `fill_time` away, and overdrawn beyond.
    full_at: Option<Instant>,
    reason: PauseReason,
}

impl RateLimit {
    /// Creates a limit whose bucket is full. Zero is taken as one.
    #[must_use]
    pub fn new(per_second: u64, burst: u64) -> Self {
        let per_second = per_second.max(1);
        // Rounded down, as times that are waited for are rounded up.
        let fill_time = nanos(u128::from(burst.max(1)) * NANOS / u128::from(per_second));
        Self { per_second, fill_time, full_at: None, reason: PauseReason::RATE }
    }

    /// Sets the reason for the pauses. Default: [`PauseReason::RATE`]. Each limit of a connection
    /// that has several, such as one for bytes and one for messages, needs a reason of its own.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{PauseReason, RateLimit};
    ///
    /// /// Returns a limit of 1 MiB a second, and one of 100 messages.
    /// fn limits() -> [RateLimit; 2] {
    ///     const MESSAGES: PauseReason = PauseReason::new(0);
    ///     // With the same reason, the end of one pause would be the end of the other.
    ///     [RateLimit::new(1 << 20, 256 << 10), RateLimit::new(100, 20).reason(MESSAGES)]
    /// }
    /// ```
    #[must_use]
    pub fn reason(mut self, reason: PauseReason) -> Self {
        self.reason = reason;
        self
    }

    /// Counts what has come, whether there is as much in the bucket or not. If it was too much, the
    /// input of `conn` is paused until that is paid off.
    ///
    /// # Examples
    ///
    /// See [`RateLimit`].
    pub fn take(&mut self, conn: &mut Conn<'_>, amount: u64) {
        let now = conn.now();
        if let Some(end) = self.overdraw(now, amount) {
            conn.pause_reading_until(self.reason, end);
        }
    }

    /// Takes `amount` from the bucket if it is there, and says how long that will take otherwise.
    /// `now` is [`Conn::now`] or [`Loop::now`](crate::Loop::now).
    ///
    /// An amount of more than `burst`, which is never there, is taken from a full bucket, and paid
    /// off before the next one.
    ///
    /// # Errors
    ///
    /// Fails with the time after which to try again, which is never zero. Nothing is taken then.
    ///
    /// # Examples
    ///
    /// Messages that are too many wait, and `timer` goes on with them:
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{Action, Conn, Handler, InputStream, PauseReason, RateLimit};
    ///
    /// struct Lines;
    ///
    /// impl Lines {
    ///     fn serve(
    ///         conn: &mut Conn<'_>,
    ///         (stream, limit): &mut (InputStream, RateLimit),
    ///         input: &[u8],
    ///     ) -> Action {
    ///         let Ok(mut unread) = stream.begin(input) else { return Action::Close };
    ///         while let Some(end) = unread.iter().position(|&byte| byte == b'\n') {
    ///             if let Err(delay) = limit.try_take(conn.now(), 1) {
    ///                 conn.pause_reading_for(PauseReason::RATE);
    ///                 conn.set_timer(Some(delay));
    ///                 return Action::None;
    ///             }
    ///             conn.write(&unread[..=end]);
    ///             unread.consume(end + 1);
    ///         }
    ///         conn.resume_reading_for(PauseReason::RATE);
    ///         Action::None
    ///     }
    /// }
    ///
    /// impl Handler for Lines {
    ///     type Context = (InputStream, RateLimit);
    ///
    ///     fn context(&mut self, _: &Conn<'_>) -> Self::Context {
    ///         (InputStream::new(), RateLimit::new(100, 10))
    ///     }
    ///
    ///     fn data(
    ///         &mut self,
    ///         conn: &mut Conn<'_>,
    ///         it: &mut Self::Context,
    ///         input: &[u8],
    ///     ) -> Action {
    ///         Self::serve(conn, it, input)
    ///     }
    ///
    ///     fn timer(&mut self, conn: &mut Conn<'_>, it: &mut Self::Context) -> Action {
    ///         Self::serve(conn, it, b"")
    ///     }
    /// }
    /// ```
    pub fn try_take(&mut self, now: Instant, amount: u64) -> Result<(), Duration> {
        let before = self.full_at;
        let is_full = before.is_none_or(|full_at| full_at <= now);
        match self.overdraw(now, amount) {
            Some(end) if !is_full => {
                self.full_at = before;
                // An amount that is never there is waited for until the bucket is full.
                let full_at = before.unwrap_or(now);
                Err(end.min(full_at).saturating_duration_since(now))
            }
            _ => Ok(()),
        }
    }

    /// Takes `amount`, and returns when the bucket is no longer overdrawn, if it is.
    fn overdraw(&mut self, now: Instant, amount: u64) -> Option<Instant> {
        let price = nanos((u128::from(amount) * NANOS).div_ceil(u128::from(self.per_second)));
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now));
        // One that cannot be told is so far away that it stays there.
        let full_at = full_at.checked_add(price).unwrap_or(full_at);
        self.full_at = Some(full_at);
        let end = full_at.checked_sub(self.fill_time)?;
        (end > now).then_some(end)
    }
}

/// In a second.
const NANOS: u128 = 1_000_000_000;

/// A time that is too long, of centuries, is taken as that.
fn nanos(count: u128) -> Duration {
    Duration::from_nanos(u64::try_from(count).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
