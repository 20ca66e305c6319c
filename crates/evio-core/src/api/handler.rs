//! The callbacks.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::api::conn::Conn;
use crate::api::detached::Detached;
use crate::api::event_loop_access::Loop;
use crate::api::serving::Serving;
use crate::api::udp::Udp;
use crate::api::watched::Watched;
use crate::dial::dial_error::DialError;
use crate::timer::loop_timer::LoopTimer;
use crate::types::action::{Action, CloseReason};
use crate::types::conn_id::ConnId;

/// The callbacks of a server: what it does when something happens.
///
/// Each loop has a handler value of its own, and calls it from its own thread only; so a handler
/// needs no lock, and what several handlers share is visible where they are made. Callbacks must
/// not block, since every connection of the loop waits for them. They do no I/O either: what they
/// write is sent when the turn of the loop ends.
///
/// # Order
///
/// | callback | when |
/// |---|---|
/// | [`serving`](Self::serving) | once per server, on loop 0, before anything is accepted |
/// | [`tick`](Self::tick) | on loop 0, right after `serving`, then whenever it asked to be called |
/// | [`context`](Self::context), [`opened`](Self::opened) | once per connection, before its other callbacks |
/// | [`connect_failed`](Self::connect_failed) | instead of all others, when an outbound connection does not come about |
/// | [`dial_failed`](Self::dial_failed) | when none of the addresses of a dial can be connected to |
/// | [`data`](Self::data) | for each piece of input |
/// | [`woken`](Self::woken) | after [`ConnHandle::wake`](crate::ConnHandle::wake) |
/// | [`drained`](Self::drained) | when output that had piled up has been sent |
/// | [`timer`](Self::timer) | when a timer of the connection's own has run down |
/// | [`peer_closed`](Self::peer_closed) | once, when the peer has ended its output |
/// | [`unanswered`](Self::unanswered) | when a reply that was owed will not come |
/// | [`stopping`](Self::stopping) | when the server is about to end gracefully |
/// | [`closed`](Self::closed) or [`detached`](Self::detached) | exactly one of them, last |
/// | [`message`](Self::message) | for each message to the handler |
/// | [`loop_timer`](Self::loop_timer) | when a timer of the loop has run down |
/// | [`datagram`](Self::datagram) | for each datagram of a UDP socket |
/// | [`ready`](Self::ready) | when a descriptor of the program's own is ready |
/// | [`listener_failed`](Self::listener_failed) | when a listener or UDP socket had to be given up |
/// | [`pre_write`](Self::pre_write) | at the end of a turn, before any of its output is sent |
///
/// Callbacks that have no connection to act on return a [`ControlFlow`]: `Break` ends the server,
/// as [`Action::Shutdown`] does.
///
/// After a callback has asked for an ending, by its [`Action`] or through [`Conn`], none but the
/// last one is called for that connection. [`Conn::shutdown_write`] is no ending: input goes on.
///
/// # Messages
///
/// `M` is the type of the messages that other threads and other loops send to the handler by a
/// [`MessageSender`](crate::MessageSender). A handler that gets none leaves it out:
/// `impl Handler for Echo`.
///
/// # Panics
///
/// A panic in a callback ends the server: the other loops shut down, and the panic goes on out of
/// `Server::run`, or of `EventLoop::run` where this crate is used alone. With
/// [`PanicPolicy::CloseConnection`](crate::PanicPolicy::CloseConnection) it ends its connection
/// only.
///
/// # Examples
///
/// A server that counts, from the number that a client sends, for as long as the client reads:
///
/// ```
/// use std::ops::ControlFlow;
/// use std::time::Duration;
/// # use evio_core as evio;
/// use evio::{Action, CloseReason, Conn, Handler};
///
/// struct Count;
///
/// impl Handler for Count {
///     /// The next number.
///     type Context = u64;
///
///     fn context(&mut self, _: &Conn<'_>) -> u64 {
///         0
///     }
///
///     fn opened(&mut self, conn: &mut Conn<'_>, _: &mut u64) -> Action {
///         conn.write(b"from which number?\n");
///         conn.set_timer(Some(Duration::from_secs(10)));
///         Action::None
///     }
///
///     fn data(&mut self, conn: &mut Conn<'_>, next: &mut u64, input: &[u8]) -> Action {
///         let Ok(n) = String::from_utf8_lossy(input).trim().parse() else { return Action::Close };
///         *next = n;
///         conn.set_timer(None);
///         self.drained(conn, next)
///     }
///
///     /// Writes as much as there is room for. It is called again when most of that is sent.
///     fn drained(&mut self, conn: &mut Conn<'_>, next: &mut u64) -> Action {
///         while conn.output_room() > 0 {
///             conn.write(format!("{next}\n").as_bytes());
///             *next += 1;
///         }
///         Action::None
///     }
///
///     fn timer(&mut self, conn: &mut Conn<'_>, _: &mut u64) -> Action {
///         conn.write(b"too late\n");
///         Action::Close
///     }
///
///     /// Goes on: a client such as `echo 5 | nc` has nothing more to say, and still reads.
///     fn peer_closed(&mut self, _: &mut Conn<'_>, _: &mut u64) -> Action {
///         Action::None
///     }
///
///     fn stopping(&mut self, conn: &mut Conn<'_>, _: &mut u64) -> Action {
///         conn.write(b"goodbye\n");
///         Action::Close
///     }
///
///     fn closed(&mut self, conn: &mut Conn<'_>, next: u64, why: CloseReason) -> ControlFlow<()> {
///         println!("{} has come to {next}: {why:?}", conn.id());
///         ControlFlow::Continue(())
///     }
/// }
/// ```
///
/// For `serving` see [`Serving`], for `woken` [`ConnHandle::wake`](crate::ConnHandle::wake), for
/// `unanswered` [`Conn::reply`], for `connect_failed` [`Loop::set_timer`], for `dial_failed`
/// [`Loop::dial`], for `datagram` [`Udp`], for `ready` [`Watched`] and for `listener_failed`
/// [`LoopHandle::listen`](crate::LoopHandle::listen).
pub trait Handler<M = ()> {
    /// The state that the handler keeps for each connection; `closed` or `detached` gives it back.
    type Context;

    /// Makes the context of a new connection.
    fn context(&mut self, conn: &Conn<'_>) -> Self::Context;

    /// Is called with each piece of input, in order; how it is cut means nothing.
    ///
    /// [`InputStream`](crate::InputStream) keeps what is left of a message that is not whole yet,
    /// and takes whole lines and messages out of the input.
    fn data(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context, input: &[u8]) -> Action;

    /// Is called once, on loop 0, when the server is bound and before it accepts anything.
    fn serving(&mut self, event_loop: &mut Loop<'_>, serving: &Serving) -> ControlFlow<()> {
        let _ = (event_loop, serving);
        ControlFlow::Continue(())
    }

    /// Is called for each new connection. Output written here goes out first, but for what was
    /// written to an outbound connection while it was connecting.
    fn opened(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        let _ = (conn, context);
        Action::None
    }

    /// Is called after one or more wakes ([`Conn::wake`],
    /// [`ConnHandle::wake`](crate::ConnHandle::wake)), and when a connection that was owed
    /// [too many replies](crate::Limits::max_owed_replies) is read from again: the place to go on
    /// with input that was left.
    fn woken(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        let _ = (conn, context);
        Action::None
    }

    /// Is called when unsent output, having been above the high watermark, is down to the low one
    /// (see [`Limits`](crate::Limits)): the place to go on with what was too much before.
    fn drained(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        let _ = (conn, context);
        Action::None
    }

    /// Is called once when the time given to [`Conn::set_timer`] has passed.
    fn timer(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        let _ = (conn, context);
        Action::None
    }

    /// Is called when the peer has ended its output; it may still be reading.
    ///
    /// By default, what was written so far is sent and the connection closes, after the
    /// [replies](Conn::reply) that are owed. Returning [`Action::None`] keeps it open for more
    /// output.
    fn peer_closed(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        let _ = (conn, context);
        Action::Close
    }

    /// Is called when a [`Reply`](crate::Reply) was dropped without an answer, such as by a thread
    /// that panicked. The peer still waits for it.
    ///
    /// By default, what was written so far is sent and the connection closes. A handler that goes
    /// on writes an error in its protocol.
    fn unanswered(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        let _ = (conn, context);
        Action::Close
    }

    /// Is called of every connection, those that the server has made among them, when it ends
    /// [gracefully](crate::LoopHandle::shutdown_gracefully).
    ///
    /// By default, what was written so far is sent and the connection closes, after the
    /// [replies](Conn::reply) that are owed; until then nothing more is read. Returning
    /// [`Action::None`] keeps it open, to be closed by the handler when it is done, and at the
    /// latest when the shutdown's time is up; `ServerHandle::shutdown_gracefully` of evio has an
    /// example. A connection to another server has to be kept as long as a client waits for what
    /// comes by it.
    ///
    /// Connections that wait in the listener's queue are opened before this, and what peers have
    /// sent by then comes to [`data`](Self::data) and [`peer_closed`](Self::peer_closed) first, of
    /// all connections: in turns like all others, but not without end for peers that go on sending,
    /// and for half of the shutdown's time at most.
    fn stopping(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        let _ = (conn, context);
        Action::Close
    }

    /// Is called last, exactly once for each connection that was opened and not detached.
    ///
    /// The connection can still be asked for its id and addresses; what is written to it is
    /// ignored.
    fn closed(
        &mut self,
        conn: &mut Conn<'_>,
        context: Self::Context,
        reason: CloseReason,
    ) -> ControlFlow<()> {
        let _ = (conn, context, reason);
        ControlFlow::Continue(())
    }

    /// Is called last, instead of [`closed`](Self::closed), with the socket of a connection that
    /// was to be detached: in blocking mode, out of the loop, and the handler's own from here on.
    ///
    /// By default the socket is closed.
    ///
    /// # Examples
    ///
    /// See [`Detached`].
    fn detached(
        &mut self,
        event_loop: &mut Loop<'_>,
        id: ConnId,
        context: Self::Context,
        socket: Detached,
    ) -> ControlFlow<()> {
        let _ = (event_loop, id, context, socket);
        ControlFlow::Continue(())
    }

    /// Is called for an outbound connection that has not come about, instead of all the other
    /// callbacks: it was refused ([`CloseReason::Error`]), took too long
    /// ([`Timeout::Connect`](crate::Timeout::Connect)), or this server has given it up.
    ///
    /// It has no context yet; [`Conn::origin`] gives back its tag. What was written to it is lost.
    fn connect_failed(&mut self, conn: &mut Conn<'_>, reason: CloseReason) -> ControlFlow<()> {
        let _ = (conn, reason);
        ControlFlow::Continue(())
    }

    /// Is called when a [dial](Loop::dial) has failed, with the addresses that were tried and the
    /// error of each. After one that has become a connection, [`opened`](Self::opened) is called.
    ///
    /// By default nothing is done about it.
    fn dial_failed(&mut self, event_loop: &mut Loop<'_>, error: DialError) -> ControlFlow<()> {
        let _ = (event_loop, error);
        ControlFlow::Continue(())
    }

    /// Is called with each message that was sent to this handler, on its loop, between callbacks.
    ///
    /// By default the message is dropped.
    ///
    /// # Examples
    ///
    /// See [`MessageSender`](crate::MessageSender).
    fn message(&mut self, event_loop: &mut Loop<'_>, message: M) -> ControlFlow<()> {
        let _ = (event_loop, message);
        ControlFlow::Continue(())
    }

    /// Is called with each datagram that reaches a UDP socket, empty ones too. It is never cut off:
    /// the loop has room for the largest there can be.
    fn datagram(
        &mut self,
        socket: &mut Udp<'_>,
        peer: SocketAddr,
        input: &[u8],
    ) -> ControlFlow<()> {
        let _ = (socket, peer, input);
        ControlFlow::Continue(())
    }

    /// Is called when a descriptor that the loop [watches](Loop::watch) is ready: in each turn
    /// again for as long as it is, so what a call leaves to read is reported in the next turn. It
    /// may be called once for reading and once for writing.
    ///
    /// A handler reads what there is, or changes what it waits for, or ends the watch: a descriptor
    /// that stays ready keeps the loop from sleeping. So does one whose other end has gone, which
    /// is reported whatever is waited for. By default the watch ends and the descriptor is closed,
    /// since nobody would read it.
    fn ready(&mut self, watched: &mut Watched<'_>) -> ControlFlow<()> {
        drop(watched.unwatch());
        ControlFlow::Continue(())
    }

    /// Is called when a listener or a UDP socket is of no use, or could not be added to a loop that
    /// runs, and has been given up; the others go on. It is not called when one that is there finds
    /// descriptors or memory short, which tries again after a while, nor for a connection that
    /// failed before it was accepted, which is passed over.
    ///
    /// By default nothing is done about it, and the server goes on even if this was its only
    /// listener; returning `Break` ends it.
    fn listener_failed(
        &mut self,
        event_loop: &mut Loop<'_>,
        address_index: u16,
        error: &io::Error,
    ) -> ControlFlow<()> {
        let _ = (event_loop, address_index, error);
        ControlFlow::Continue(())
    }

    /// Is called once at the end of a turn that has output, before the first byte of it is sent:
    /// the place for work that all replies of the turn depend on, such as one `fsync` for many
    /// writes.
    ///
    /// Bytes of [`Conn::write_now`] and [`Udp::send_to_now`] do not wait for it.
    ///
    /// # Errors
    ///
    /// An error withholds the turn: nothing that was written since the last `pre_write` is sent, no
    /// datagram either, and the connections that have written end with
    /// [`CloseReason::Withheld`]. So no client gets a reply to what an `fsync` has not made
    /// durable.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{Action, Conn};
    ///
    /// /// The `data` callback of a server that confirms what is in its log.
    /// fn data(mut log: &std::fs::File, conn: &mut Conn<'_>, input: &[u8]) -> Action {
    ///     match std::io::Write::write_all(&mut log, input) {
    ///         Ok(()) => conn.write(b"stored\n"),
    ///         Err(_) => return Action::Close,
    ///     }
    ///     Action::None
    /// }
    ///
    /// /// Its `pre_write` callback: no client reads `stored` before it is true.
    /// fn pre_write(log: &std::fs::File) -> std::io::Result<()> {
    ///     log.sync_data()
    /// }
    /// ```
    fn pre_write(&mut self, event_loop: &mut Loop<'_>) -> io::Result<()> {
        let _ = event_loop;
        Ok(())
    }

    /// Is called when a timer of the loop has run down: once after [`Loop::set_timer`], again and
    /// again after [`Loop::set_interval`].
    ///
    /// When very many are due at the same time, some of them come in the turns that follow. During
    /// a graceful shutdown they go on; timers that have not run down do not keep a server from
    /// ending, and are dropped with it.
    ///
    /// # Examples
    ///
    /// See [`LoopTimer`].
    fn loop_timer(&mut self, event_loop: &mut Loop<'_>, timer: LoopTimer) -> ControlFlow<()> {
        let _ = (event_loop, timer);
        ControlFlow::Continue(())
    }

    /// Is called right after `serving` and then each time the returned delay has passed; on loop 0
    /// only. Every loop has [timers](Loop::set_timer) of its own.
    ///
    /// Delays count from the time a tick was due, not from when it ran, so ticks do not drift; they
    /// never come early. A delay below a millisecond is taken as one. A loop that was held up makes
    /// up for at most 16 ticks and drops the rest. [`Duration::MAX`], the default, means never.
    ///
    /// # Examples
    ///
    /// See [`LoopHandle::broadcast`](crate::LoopHandle::broadcast).
    fn tick(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        let _ = event_loop;
        ControlFlow::Continue(Duration::MAX)
    }
}
