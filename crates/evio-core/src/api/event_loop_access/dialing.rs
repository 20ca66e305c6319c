//! Connections to one of several addresses.

use std::io;
use std::net::SocketAddr;

use super::Loop;
use crate::api::connect_options::ConnectOptions;
use crate::api::pending_addresses::PendingAddresses;
use crate::dial::dial_error::DialId;
use crate::dial::state::{Dial, MAX_GIVEN};

impl Loop<'_> {
    /// Begins to connect to one of several addresses, such as those that a name stands for, and
    /// returns the name of the dial.
    ///
    /// The addresses are tried in their order, the families in turn. When one has failed, the next
    /// one is tried; when one has not answered for 250 ms, the next one is tried beside it
    /// (RFC 8305, "happy eyeballs"). The first that answers becomes the connection:
    /// [`Handler::opened`](crate::Handler::opened) is called, and
    /// [`Conn::origin`](crate::Conn::origin) gives back the tag of the options. If none answers
    /// within [`Limits::connect_timeout`](crate::Limits), which is for all of them together,
    /// [`Handler::dial_failed`](crate::Handler::dial_failed) is called with what each has answered.
    /// One of the two is called once, and not before the present callback has returned, unless the
    /// dial is [cancelled](Self::cancel_dial).
    ///
    /// No more than 32 addresses are tried, of 256 that are looked at, and no more than eight at
    /// the same time: each takes a descriptor.
    ///
    /// # Errors
    ///
    /// Fails with [`QuotaExceeded`](io::ErrorKind::QuotaExceeded) when as many dials are under way
    /// as `Server::max_dials` of the `evio` crate allows, or
    /// [`Config::max_dials`](crate::Config::max_dials) where this crate is used alone; and when the
    /// server is ending; gracefully, that is when no connection is left that has come in. No
    /// callback is made then.
    ///
    /// # Examples
    ///
    /// A client that connects again when it has lost its server, after 0.1, 0.2, 0.4 seconds and so
    /// on up to 10:
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use std::ops::ControlFlow;
    /// use std::time::Duration;
    /// # use evio_core as evio;
    /// use evio::{
    ///     Action, CloseReason, Conn, ConnectOptions, DialError, Handler, Loop, LoopTimer, Serving,
    /// };
    ///
    /// struct Client {
    ///     servers: Vec<SocketAddr>,
    ///     wait: Duration,
    /// }
    ///
    /// impl Client {
    ///     fn connect(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<()> {
    ///         match event_loop.dial(self.servers.iter().copied(), &ConnectOptions::default()) {
    ///             Ok(_) => ControlFlow::Continue(()),
    ///             Err(_) => ControlFlow::Break(()),
    ///         }
    ///     }
    ///
    ///     fn connect_later(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<()> {
    ///         let (shortest, longest) = (Duration::from_millis(100), Duration::from_secs(10));
    ///         self.wait = (2 * self.wait).clamp(shortest, longest);
    ///         match event_loop.set_timer(self.wait, 0) {
    ///             Ok(_) => ControlFlow::Continue(()),
    ///             Err(_) => ControlFlow::Break(()),
    ///         }
    ///     }
    /// }
    ///
    /// impl Handler for Client {
    ///     type Context = ();
    ///
    ///     fn context(&mut self, _: &Conn<'_>) {
    ///         self.wait = Duration::ZERO;
    ///     }
    ///
    ///     fn data(&mut self, _: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
    ///         println!("{}", String::from_utf8_lossy(input));
    ///         Action::None
    ///     }
    ///
    ///     fn serving(&mut self, event_loop: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
    ///         self.connect(event_loop)
    ///     }
    ///
    ///     fn loop_timer(&mut self, event_loop: &mut Loop<'_>, _: LoopTimer) -> ControlFlow<()> {
    ///         self.connect(event_loop)
    ///     }
    ///
    ///     fn closed(&mut self, conn: &mut Conn<'_>, _: (), _: CloseReason) -> ControlFlow<()> {
    ///         self.connect_later(&mut conn.event_loop())
    ///     }
    ///
    ///     fn dial_failed(&mut self, here: &mut Loop<'_>, error: DialError) -> ControlFlow<()> {
    ///         eprintln!("{error}");
    ///         self.connect_later(here)
    ///     }
    /// }
    /// ```
    pub fn dial(
        &mut self,
        addresses: impl IntoIterator<Item = SocketAddr>,
        options: &ConnectOptions,
    ) -> io::Result<DialId> {
        let addresses: Vec<SocketAddr> = addresses.into_iter().take(MAX_GIVEN).collect();
        let id = self.state.begin_dial(name_of(&addresses), options)?;
        self.state.give_addresses(id.number, Ok(addresses));
        Ok(id)
    }

    /// As [`dial`](Self::dial), for addresses that are not known yet: somebody else resolves the
    /// name, on another thread, and gives the result to the [`PendingAddresses`]. The time that it
    /// takes is part of the time of the dial. Errors call what was dialled `name`.
    ///
    /// `evio::Resolver` does this with the resolver of the system.
    ///
    /// # Errors
    ///
    /// As [`dial`](Self::dial).
    ///
    /// # Examples
    ///
    /// See [`PendingAddresses`].
    pub fn dial_name(
        &mut self,
        name: impl Into<String>,
        options: &ConnectOptions,
    ) -> io::Result<(DialId, PendingAddresses)> {
        let id = self.state.begin_dial(name.into(), options)?;
        let wanted = self.state.dials.get_mut(id.number).map(Dial::wanted).unwrap_or_default();
        Ok((id, PendingAddresses::new(self.handle(), id.number, wanted)))
    }

    /// Gives up a dial, and the attempts that are under way, without a callback. Returns whether it
    /// was under way: a dial that has become a connection is not.
    ///
    /// # Examples
    ///
    /// See [`DialId`].
    pub fn cancel_dial(&mut self, id: DialId) -> bool {
        self.state.cancel_dial(id)
    }
}

/// Returns how errors call a list of addresses.
fn name_of(addresses: &[SocketAddr]) -> String {
    match addresses {
        [] => "an empty list of addresses".to_owned(),
        [only] => only.to_string(),
        [first, others @ ..] => format!("{first} (and {} more)", others.len()),
    }
}
