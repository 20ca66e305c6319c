//! Why a connection is not read from.

/// Why a connection is not read from for now: of several reasons, each is taken back by itself.
///
/// [`Conn::pause_reading`](crate::Conn::pause_reading) is for one reason, which every
/// `resume_reading` takes back. Parts of a program that know nothing of each other, such as a relay
/// that waits for the other side and a [`RateLimit`](crate::RateLimit), have a reason each, and the
/// connection is read from when none is left.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::{Action, Conn, PauseReason};
///
/// const LOGIN: PauseReason = PauseReason::new(0);
///
/// /// Nothing more is read until somebody has looked the user up, and says so by `wake`.
/// fn begin_login(conn: &mut Conn<'_>) -> Action {
///     conn.pause_reading_for(LOGIN);
///     Action::None
/// }
///
/// /// What a relay calls when there is room on the other side does not end the login.
/// fn drained(conn: &mut Conn<'_>) -> Action {
///     conn.resume_reading();
///     Action::None
/// }
///
/// fn woken(conn: &mut Conn<'_>) -> Action {
///     conn.resume_reading_for(LOGIN);
///     Action::None
/// }
///
/// /// Says in the log what a client waits for.
/// fn why(conn: &Conn<'_>) -> &'static str {
///     if conn.is_paused_for(LOGIN) {
///         "the login"
///     } else if conn.is_paused_for(PauseReason::PLAIN) {
///         "room on the other side"
///     } else {
///         "nothing"
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PauseReason(u8);

impl PauseReason {
    /// The reason of [`Conn::pause_reading`](crate::Conn::pause_reading).
    pub const PLAIN: Self = Self(1);

    /// The reason of a [`RateLimit`](crate::RateLimit) that is given no other.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{Conn, PauseReason};
    ///
    /// /// Tells whether a client has been faster than its rate limit lets it.
    /// fn is_throttled(conn: &Conn<'_>) -> bool {
    ///     conn.is_paused_for(PauseReason::RATE)
    /// }
    /// ```
    pub const RATE: Self = Self(1 << 1);

    /// The reason of the loop itself: as many [replies](crate::Conn::reply) are owed as may be, or
    /// the connection ends with the last of them.
    pub(crate) const REPLIES: Self = Self(1 << 6);

    /// How many reasons of its own a program has.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::PauseReason;
    ///
    /// let own: Vec<PauseReason> = (0..PauseReason::OWN).map(PauseReason::new).collect();
    /// assert!(!own.contains(&PauseReason::PLAIN) && !own.contains(&PauseReason::RATE));
    /// ```
    pub const OWN: u8 = 4;

    /// Returns a reason of the program's own, of which there are [`OWN`](Self::OWN), counted from
    /// zero.
    ///
    /// # Panics
    ///
    /// Panics when `number` is none of them: when compiling, for a constant.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        assert!(number < Self::OWN, "there are PauseReason::OWN reasons, counted from zero");
        Self(1 << (2 + number))
    }

    /// Returns the bit that stands for it, which is not the highest of the byte.
    pub(crate) fn bit(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_a_bit_of_its_own_and_the_highest_is_none() {
        let own = (0..PauseReason::OWN).map(PauseReason::new);
        let all: Vec<_> = [PauseReason::PLAIN, PauseReason::RATE, PauseReason::REPLIES]
            .into_iter()
            .chain(own)
            .collect();
        let bits = all.iter().fold(0, |bits, reason| {
            assert!(reason.bit().is_power_of_two() && bits & reason.bit() == 0, "{reason:?}");
            bits | reason.bit()
        });
        assert_eq!(bits, 0x7f);
    }

    #[test]
    #[should_panic(expected = "there are PauseReason::OWN reasons")]
    fn there_is_an_end_to_them() {
        let _ = PauseReason::new(PauseReason::OWN);
    }
}
