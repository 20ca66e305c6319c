//! Connections to one of several addresses.

use std::net::SocketAddr;

use super::Loop;
use crate::api::connect_options::ConnectOptions;
use crate::api::pending_addresses::PendingAddresses;
use crate::dial::dial_error::DialId;

impl Loop<'_> {
    /// Begins to connect to one of several addresses, such as those that a name stands for, and
    /// returns the name of the dial.
    ///
    /// The addresses are tried in their order, the families in turn: the next one when one has
    /// failed, or has not answered for 250 ms, beside it (RFC 8305, "happy eyeballs"). The first
    /// that answers becomes the connection: [`Handler::opened`](crate::Handler::opened) is called,
    /// and [`Conn::origin`](crate::Conn::origin) gives back the tag of the options. If none does
    /// within [`Limits::connect_timeout`](crate::Limits), all in all,
    /// [`Handler::dial_failed`](crate::Handler::dial_failed) is called with what each has answered.
    /// One of the two is called once, and not before the present callback has returned; none when
    /// the dial is [cancelled](Self::cancel_dial), or the server was ending already.
    ///
    /// More than 32 addresses are not tried.
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
    ///         event_loop.dial(self.servers.iter().copied(), &ConnectOptions::default());
    ///         ControlFlow::Continue(())
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
    ) -> DialId {
        let addresses: Vec<SocketAddr> = addresses.into_iter().collect();
        let id = self.state.begin_dial(name_of(&addresses), options);
        self.state.give_addresses(id.number, Ok(addresses));
        id
    }

    /// As [`dial`](Self::dial), for addresses that are not known yet: somebody else resolves the
    /// name, on another thread, and gives the result to the [`PendingAddresses`]. The time that it
    /// takes is part of the time of the dial. `name` is what errors say.
    ///
    /// `evio::Resolver` does this with the resolver of the system.
    ///
    /// # Examples
    ///
    /// See [`PendingAddresses`].
    pub fn dial_name(
        &mut self,
        name: impl Into<String>,
        options: &ConnectOptions,
    ) -> (DialId, PendingAddresses) {
        let id = self.state.begin_dial(name.into(), options);
        (id, PendingAddresses::new(self.handle(), id.number))
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
        [first, others @ ..] => format!("{first} or {} others", others.len()),
    }
}
