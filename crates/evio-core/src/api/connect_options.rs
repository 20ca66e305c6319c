//! The tag and the limits of a connection that is asked for.

use crate::types::limits::Limits;
use crate::types::origin::Tag;

/// The tag and the limits of a connection that a program asks for.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// # use evio_core as evio;
/// use evio::{Action, Conn, ConnectOptions, Limits};
///
/// /// Asks an upstream on behalf of this connection; the answer must come soon.
/// fn ask(conn: &mut Conn<'_>, upstream: std::net::SocketAddr, number: u64) -> Action {
///     let limits = Limits::default()
///         .connect_timeout(Duration::from_secs(1))
///         .idle_timeout(Some(Duration::from_secs(5)));
///     let options = ConnectOptions::default().tag((conn.id(), number)).limits(limits);
///     match conn.event_loop().connect_with(upstream, &options) {
///         Ok(_) => Action::None,
///         Err(_) => Action::Close,
///     }
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectOptions {
    pub(crate) tag: Tag,
    pub(crate) limits: Option<Limits>,
}

impl ConnectOptions {
    /// Sets what [`Origin`](crate::Origin) gives back: another connection, a number, or both.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Tag>) -> Self {
        self.tag = tag.into();
        self
    }

    /// Sets the limits that the connection has, instead of those of the server;
    /// [`Limits::connect_timeout`] is the time for it to come about.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }
}
