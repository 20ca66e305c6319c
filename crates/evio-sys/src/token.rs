//! The number that comes back with each event.

/// Identifies a registered socket in the events of a [`Poller`](crate::Poller).
///
/// The poller gives the value back as it was registered and never looks at it.
///
/// # Examples
///
/// ```
/// use evio_sys::Token;
///
/// let token = Token(42);
/// assert_eq!(token.0, 42);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);
