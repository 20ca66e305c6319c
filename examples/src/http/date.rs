//! The date that replies have.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

/// Length of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) const DATE_LEN: usize = 29;

/// The last second whose year has four digits.
const LAST_SECOND: u64 = 253_402_300_799;

/// A second of the wall clock, as the `Date` field writes it, RFC 9110, section 5.6.7.
///
/// # Examples
///
/// ```
/// use std::time::UNIX_EPOCH;
///
/// use evio_examples::http::Date;
///
/// assert_eq!(Date::new(UNIX_EPOCH).as_str(), "Thu, 01 Jan 1970 00:00:00 GMT");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Date {
    second: u64,
    text: [u8; DATE_LEN],
}

impl Date {
    /// Formats the second that `now` lies in.
    ///
    /// A clock outside the years 1970 to 9999 is taken for the nearest date inside them: a wrong
    /// date in a reply is better than no server.
    #[must_use]
    pub fn new(now: SystemTime) -> Self {
        let second = whole_second(now);
        let mut text = [b' '; DATE_LEN];
        let date = HttpDate::from(UNIX_EPOCH + Duration::from_secs(second));
        write!(&mut text[..], "{date}").expect("every date of four-digit years has this length");
        Self { second, text }
    }

    /// Tells whether `now` lies in this second.
    #[must_use]
    pub fn is_at(&self, now: SystemTime) -> bool {
        self.second == whole_second(now)
    }

    /// Returns the beginning of this second.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.second)
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).expect("a date is ASCII")
    }

    pub(super) fn as_bytes(&self) -> &[u8; DATE_LEN] {
        &self.text
    }
}

fn whole_second(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs().min(LAST_SECOND))
}
