//! The text of the `Date` field.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

/// Length of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) const DATE_LEN: usize = 29;

/// The last second whose year has four digits.
const LAST_SECOND: u64 = 253_402_300_799;

/// A second of the wall clock and its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Date {
    second: u64,
    text: [u8; DATE_LEN],
}

impl Date {
    /// Formats the second that `now` lies in.
    ///
    /// A clock outside the years 1970 to 9999 is taken for the nearest date inside them: a wrong
    /// date in a reply is better than no server.
    pub(super) fn new(now: SystemTime) -> Self {
        let second = whole_second(now);
        let mut text = [b' '; DATE_LEN];
        let date = HttpDate::from(UNIX_EPOCH + Duration::from_secs(second));
        write!(&mut text[..], "{date}").expect("every date of four-digit years has this length");
        Self { second, text }
    }

    /// Tells whether `now` lies in this second.
    pub(super) fn is_at(&self, now: SystemTime) -> bool {
        self.second == whole_second(now)
    }

    pub(super) fn as_bytes(&self) -> &[u8; DATE_LEN] {
        &self.text
    }
}

fn whole_second(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs().min(LAST_SECOND))
}
