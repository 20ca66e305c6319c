//! The handler of one loop, between its connections and the commands.

use std::io;
use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use evio::{Action, CloseReason, Conn, Handler, Limits, Loop};
use log::info;

use super::append_only::AppendOnly;
use super::batch::Batch;
use super::client::Client;
use super::clients::Place;
use super::server::Server;
use super::session::{Session, Stop};

/// How much may wait for a subscriber, who is cut off then: redis' limit. Other clients are not
/// read from while much waits for them, but messages come in any case.
const MAX_SUBSCRIBER_OUTPUT: usize = 32 << 20;

/// Room behind the longest reply for the error of the next one.
const OUTPUT_MARGIN: usize = 64 << 10;

/// The most bytes of replies that are copied, so that their memory can be used again. More are
/// given to the connection with their memory, which a loop should not keep for one long value.
const MAX_COPIED: usize = 64 * 1024;

/// How often keys are removed that have expired, as in redis; and how soon it goes on if there are
/// too many for once.
const EXPIRE_INTERVAL: Duration = Duration::from_millis(100);
const EXPIRE_ON: Duration = Duration::from_millis(5);

/// How the clients of a server are served.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// The limits of their connections, but for that of output.
    pub limits: Limits,
    /// The longest reply, with those before it that wait to be sent, in bytes.
    pub max_output: usize,
    /// How long a client may take for a command, the first one included; `None` is for ever.
    pub request_timeout: Option<Duration>,
    /// How long they may go on after the command SHUTDOWN.
    pub drain_timeout: Duration,
}

impl ClientSettings {
    /// Returns the limits of the connections.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits.max_output(self.max_output.saturating_add(OUTPUT_MARGIN))
    }
}

/// One loop's part of a server: its callbacks.
#[derive(Debug)]
pub struct Redis {
    server: Arc<Server>,
    clients: ClientSettings,
    loop_id: usize,
    /// The replies to one batch of commands; empty between callbacks.
    replies: Vec<u8>,
    append_only: Option<Arc<AppendOnly>>,
    /// How many failures of that file this loop has acted on.
    failures: u64,
}

impl Redis {
    /// Makes the part of one loop. The server's connections are to have the
    /// [limits](ClientSettings::limits) of these settings.
    #[must_use]
    pub fn new(server: Arc<Server>, clients: ClientSettings, loop_id: usize) -> Self {
        Self { server, clients, loop_id, replies: Vec::new(), append_only: None, failures: 0 }
    }

    /// Has what was changed synced to this file before it is confirmed.
    #[must_use]
    pub fn append_only(mut self, file: Option<Arc<AppendOnly>>) -> Self {
        self.append_only = file;
        self
    }

    /// Runs what commands a connection has sent, as far as it is its turn, and writes the replies.
    fn serve(&mut self, conn: &mut Conn<'_>, session: &mut Session, input: &[u8]) -> Action {
        let max_output = self.clients.max_output.saturating_sub(conn.output_len());
        let mut batch = Batch::new(&self.server, max_output);
        let room = conn.output_room();
        let (stop, ran) = session.run_commands(&mut batch, input, &mut self.replies, room);
        let has_published = batch.finish(self.loop_id);
        if self.replies.len() <= MAX_COPIED {
            conn.write(&self.replies);
            self.replies.clear();
        } else {
            conn.write_owned(mem::take(&mut self.replies));
        }
        if has_published {
            self.server.channels.flush(&conn.loop_handle());
        }
        if session.client.is_subscribed() != session.is_subscriber {
            self.change_limits(conn, session);
        }
        self.go_on(conn, session, &stop, ran)
    }

    /// Sees to it that the session goes on, in time, after it has stopped.
    fn go_on(&self, conn: &mut Conn<'_>, session: &mut Session, stop: &Stop, ran: usize) -> Action {
        let had_more = mem::replace(&mut session.has_more, matches!(stop, Stop::Room | Stop::Turn));
        match stop {
            Stop::Close => return Action::Close,
            Stop::Shutdown => {
                conn.loop_handle().shutdown_gracefully(self.clients.drain_timeout);
                return Action::Close;
            }
            Stop::Input if session.is_stopping => return Action::Close,
            Stop::Turn => {
                // What it sends meanwhile stays in the socket, and flow control makes it wait.
                conn.pause_reading();
                conn.wake();
            }
            Stop::Input | Stop::Room if had_more => conn.resume_reading(),
            Stop::Input | Stop::Room => {}
        }
        if session.is_woken {
            conn.wake();
        }
        let is_partial = !session.has_more && !session.input.is_empty();
        if is_partial != session.is_timed || (is_partial && ran > 0) {
            conn.set_read_timeout(self.clients.request_timeout.filter(|_| is_partial));
            session.is_timed = is_partial;
        }
        Action::None
    }

    /// Gives a connection the limits of a subscriber, or those of others again.
    fn change_limits(&self, conn: &mut Conn<'_>, session: &mut Session) {
        session.is_subscriber = session.client.is_subscribed();
        let limits = self.clients.limits();
        conn.set_limits(match session.is_subscriber {
            // It may have nothing to say for ever.
            true => limits.max_output(MAX_SUBSCRIBER_OUTPUT).idle_timeout(None),
            false => limits,
        });
    }
}

impl Handler for Redis {
    type Context = Session;

    fn context(&mut self, conn: &Conn<'_>) -> Session {
        let place = Place { conn: conn.handle(), peer: conn.peer_addr().ok() };
        Session::new(Client::new(self.server.clients.connect(Some(place))))
    }

    fn opened(&mut self, conn: &mut Conn<'_>, _: &mut Session) -> Action {
        conn.set_read_timeout(self.clients.request_timeout);
        Action::None
    }

    fn data(&mut self, conn: &mut Conn<'_>, session: &mut Session, input: &[u8]) -> Action {
        self.serve(conn, session, input)
    }

    fn drained(&mut self, conn: &mut Conn<'_>, session: &mut Session) -> Action {
        self.serve(conn, session, &[])
    }

    fn woken(&mut self, conn: &mut Conn<'_>, session: &mut Session) -> Action {
        if mem::take(&mut session.is_woken) {
            info!("{}: woken", conn.id());
        }
        if session.has_more { self.serve(conn, session, &[]) } else { Action::None }
    }

    fn stopping(&mut self, _: &mut Conn<'_>, session: &mut Session) -> Action {
        // What has arrived is answered; `drained` or `woken` goes on with it.
        session.is_stopping = true;
        if session.has_more { Action::None } else { Action::Close }
    }

    fn closed(
        &mut self,
        _: &mut Conn<'_>,
        mut session: Session,
        _: CloseReason,
    ) -> ControlFlow<()> {
        self.server.disconnect(&mut session.client);
        ControlFlow::Continue(())
    }

    fn pre_write(&mut self, _: &mut Loop<'_>) -> io::Result<()> {
        match &self.append_only {
            Some(file) => file.sync(&mut self.failures),
            None => Ok(()),
        }
    }

    fn tick(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        // What a full mailbox has refused.
        self.server.channels.flush(&event_loop.handle());
        if let Some(file) = &self.append_only {
            file.retry();
            file.rewrite_if_grown();
        }
        let has_more = self.server.expire();
        ControlFlow::Continue(if has_more { EXPIRE_ON } else { EXPIRE_INTERVAL })
    }
}
