//! A server that redis clients can use. Try it with `redis-cli -p 6380`.
//!
//! `mini-redis` is the one to read first. This one begins at the callbacks of [`Redis`], which pass
//! what a connection has received to its [`Session`]; that finds the commands in it and has them
//! run by a [`Batch`]. What commands do is in `redis.rs` and behind it.

use std::error::Error;
use std::io;
use std::mem;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use evio::{Action, CloseReason, Conn, Handler, InputStream, Limits, Loop};
use evio_examples::cli::{self, ClientLimits, Listen, Timeout};
use evio_examples::redis::{
    self, AppendOnly, Batch, COMMANDS, Client, Outcome, Place, Server, look_ahead,
};
use evio_examples::resp;
use log::info;

/// Serves redis commands from memory. Ctrl-C or the command SHUTDOWN ends it.
#[derive(Parser)]
#[command(name = "redis-server", version, after_help = format!("Commands:{COMMANDS}"))]
// As in redis: clients with a pool of connections do not expect theirs to be closed.
#[command(mut_arg("idle_timeout", |argument| argument.default_value("off")))]
struct Options {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 6380)]
    port: u16,
    /// Memory for keys and values, about; writes are refused beyond it. 0 is no limit
    #[arg(long, value_name = "BYTES", default_value = "1gb")]
    #[arg(value_parser = cli::bytes::<usize>(..))]
    maxmemory: usize,
    /// Keep the keys in this file: every change is on the disk before it is confirmed
    #[arg(long, value_name = "FILE")]
    appendonly: Option<PathBuf>,
    /// Once that file is so long, write it anew whenever it has doubled, as BGREWRITEAOF does; that
    /// takes the memory of the keys, and room on the disk for them, once more for a while
    #[arg(long, value_name = "BYTES", default_value = "64mb")]
    #[arg(value_parser = cli::bytes::<usize>(..))]
    auto_aof_rewrite_min_size: usize,
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    clients: ClientLimits,
    /// Close a connection whose command, the first one included, is not whole after so long
    #[arg(long, value_name = "TIME", default_value = "1m")]
    request_timeout: Timeout,
    /// Longest reply, with those before it that wait to be sent, 1mb at least; the client is told
    /// otherwise
    #[arg(long, value_name = "BYTES", default_value = "1gb")]
    #[arg(value_parser = cli::bytes::<usize>(MIN_MAX_OUTPUT..))]
    max_output: usize,
}

/// The least limit of output: the replies to commands that come together are some 256 KiB before
/// the next one has to wait, and with a limit near that, short ones would be refused.
const MIN_MAX_OUTPUT: usize = 1 << 20;

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

/// How soon a connection goes on whose loop takes no wake.
const RETRY: Duration = Duration::from_millis(1);

/// One loop's part of the server.
struct Redis<'a> {
    server: &'a Server,
    options: &'a Options,
    limits: Limits,
    loop_id: usize,
    /// The replies to one batch of commands; empty between callbacks.
    replies: Vec<u8>,
    append_only: Option<&'a Arc<AppendOnly>>,
    /// How many failures of that file this loop has acted on.
    failures: u64,
}

/// One client.
struct Session {
    client: Client,
    input: InputStream,
    parser: resp::Parser,
    /// A command that takes more than one turn.
    unfinished: Option<resp::OwnedCommand>,
    /// Whether commands are left that could be run: too many at once, or too long replies.
    has_more: bool,
    /// Whether the time for a command runs.
    is_timed: bool,
    /// Whether the connection has the limits of a subscriber.
    is_subscriber: bool,
    /// Whether the server is about to end.
    is_stopping: bool,
    /// Whether the client has asked for it that the connection is woken.
    is_woken: bool,
}

/// Why a session has stopped to run commands.
enum Stop {
    /// No command is whole.
    Input,
    /// Enough replies wait to be sent. `drained` goes on.
    Room,
    /// Other clients are to get their turn. `woken` goes on.
    Turn,
    Close,
    Shutdown,
}

impl Session {
    /// Runs the commands that are whole, until it is to stop. Returns how many it has run, too.
    fn run_commands(
        &mut self,
        batch: &mut Batch<'_>,
        input: &[u8],
        replies: &mut Vec<u8>,
        room: usize,
    ) -> (Stop, usize) {
        let Self { client, input: stream, parser, .. } = self;
        let Ok(mut input) = stream.begin(input) else { return (Stop::Close, 0) };
        let bytes = &*input;
        let (mut read, mut ran, mut ahead) = (0, 0, 0);
        if let Some(command) = self.unfinished.take() {
            if batch.resume(client, &command, replies) == Outcome::Again {
                self.unfinished = Some(command);
                return (Stop::Turn, 0);
            }
        }
        let stop = loop {
            if replies.len() >= room {
                break Stop::Room;
            }
            if batch.is_used_up() {
                break Stop::Turn;
            }
            if ahead == 0 {
                ahead = look_ahead(parser, &bytes[read..], batch.store());
            }
            let command = match parser.parse(&bytes[read..]) {
                Ok(Some(command)) => command,
                Ok(None) => break Stop::Input,
                Err(error) => {
                    resp::Reply::new(replies).protocol_error(&error);
                    break Stop::Close;
                }
            };
            read += command.wire_len();
            ran += 1;
            ahead = ahead.saturating_sub(1);
            match batch.execute(client, command, replies) {
                Outcome::Continue => {}
                Outcome::Wake => self.is_woken = true,
                Outcome::Again => {
                    self.unfinished = Some(command.into());
                    break Stop::Turn;
                }
                Outcome::Close => break Stop::Close,
                Outcome::Shutdown => break Stop::Shutdown,
            }
        };
        input.consume(read);
        (stop, ran)
    }
}

impl Redis<'_> {
    /// Runs what commands a connection has sent, as far as it is its turn, and writes the replies.
    fn serve(&mut self, conn: &mut Conn<'_>, session: &mut Session, input: &[u8]) -> Action {
        let max_output = self.options.max_output.saturating_sub(conn.output_len());
        let mut batch = Batch::new(self.server, max_output);
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
                conn.loop_handle().shutdown_gracefully(self.options.clients.drain_timeout);
                return Action::Close;
            }
            Stop::Input if session.is_stopping => return Action::Close,
            Stop::Turn => {
                // What it sends meanwhile stays in the socket, and flow control makes it wait.
                conn.pause_reading();
                wake(conn);
            }
            Stop::Input | Stop::Room if had_more => conn.resume_reading(),
            Stop::Input | Stop::Room => {}
        }
        if session.is_woken {
            wake(conn);
        }
        let is_partial = !session.has_more && !session.input.is_empty();
        if is_partial != session.is_timed || (is_partial && ran > 0) {
            conn.set_read_timeout(self.options.request_timeout.0.filter(|_| is_partial));
            session.is_timed = is_partial;
        }
        Action::None
    }

    /// Gives a connection the limits of a subscriber, or those of others again.
    fn change_limits(&self, conn: &mut Conn<'_>, session: &mut Session) {
        session.is_subscriber = session.client.is_subscribed();
        let limits = self.limits;
        conn.set_limits(match session.is_subscriber {
            // It may have nothing to say for ever.
            true => limits.max_output(MAX_SUBSCRIBER_OUTPUT).idle_timeout(None),
            false => limits,
        });
    }
}

/// Asks the loop to call `woken` for a connection.
fn wake(conn: &mut Conn<'_>) {
    if conn.handle().wake().is_err() {
        conn.set_timer(Some(RETRY));
    }
}

impl Handler for Redis<'_> {
    type Context = Session;

    fn context(&mut self, conn: &Conn<'_>) -> Session {
        let place = Place { conn: conn.handle(), peer: conn.peer_addr().ok() };
        Session {
            client: Client::new(self.server.clients.connect(Some(place))),
            input: InputStream::with_max_len(resp::MAX_COMMAND_LEN),
            parser: resp::Parser::default(),
            unfinished: None,
            has_more: false,
            is_timed: true,
            is_subscriber: false,
            is_stopping: false,
            is_woken: false,
        }
    }

    fn opened(&mut self, conn: &mut Conn<'_>, _: &mut Session) -> Action {
        conn.set_read_timeout(self.options.request_timeout.0);
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

    fn timer(&mut self, conn: &mut Conn<'_>, session: &mut Session) -> Action {
        self.woken(conn, session)
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
        match self.append_only {
            Some(file) => file.sync(&mut self.failures),
            None => Ok(()),
        }
    }

    fn tick(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        // What a full mailbox has refused.
        self.server.channels.flush(&event_loop.handle());
        if let Some(file) = self.append_only {
            file.retry();
            file.rewrite_if_grown();
        }
        let has_more = self.server.expire();
        ControlFlow::Continue(if has_more { EXPIRE_ON } else { EXPIRE_INTERVAL })
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(|| run(&options))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let (listen, clients) = (&options.listen, &options.clients);
    let limits = clients.limits().max_output(options.max_output.saturating_add(OUTPUT_MARGIN));
    let bound = listen.bind("tcp", options.port)?.limits(limits);
    let inet = bound.local_addrs().iter().find_map(|address| address.addr().as_inet());
    let mut server = Server::new(redis::Options {
        loops: listen.loops().count(),
        max_memory: options.maxmemory,
        appends: options.appendonly.is_some(),
        port: inet.map_or(options.port, |address| address.port()),
        max_clients: clients.max_connections,
        idle_timeout: clients.idle_timeout.0,
    });
    let min_rewrite_len = options.auto_aof_rewrite_min_size as u64;
    let open = |path: &Path| AppendOnly::open(path, &server, min_rewrite_len);
    let append_only = options.appendonly.as_deref().map(open).transpose()?;
    if let Some(file) = &append_only {
        server = server.with_log(Box::new(Arc::clone(file)));
    }
    let (server, append_only) = (&server, append_only.as_ref());
    let loops = listen.loops();
    cli::start(bound, clients)?.run_each(loops, |loop_id| Redis {
        server,
        options,
        limits,
        loop_id,
        replies: Vec::new(),
        append_only,
        failures: 0,
    })?;
    Ok(())
}
