//! A small redis. Try it with `redis-cli -p 6380`.

use std::error::Error;
use std::mem;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use evio::{Action, Conn, Handler, InputStream};
use evio_examples::cli::{self, ClientLimits, Listen};
use evio_examples::redis::{
    COMMANDS, Client, DEFAULT_MAX_MEMORY, Outcome, Store, View, execute, look_ahead,
};
use evio_examples::resp;
use log::info;

/// Serves part of the redis commands from memory. Ctrl-C or the command SHUTDOWN ends it.
#[derive(Parser)]
#[command(name = "redis-server", version, after_help = format!("Commands:{COMMANDS}"))]
struct Options {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 6380)]
    port: u16,
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    clients: ClientLimits,
}

/// Room for the longest reply: a value of 512 MiB, and what was written before it.
const MAX_OUTPUT: usize = 1 << 30;

/// The most bytes of replies that are copied, so that their memory can be used again. More are
/// given to the connection with their memory, which a loop should not keep for one long value.
const MAX_COPIED: usize = 64 * 1024;

/// What all loops share.
struct Shared {
    store: Store,
    clients: AtomicU64,
}

/// One loop's part of the server.
struct Redis<'a> {
    shared: &'a Shared,
    /// The replies to one batch of commands; empty between callbacks.
    replies: Vec<u8>,
    /// How much may be written before the peer must read.
    room: usize,
}

/// One client.
struct Session {
    client: Client,
    input: InputStream,
    parser: resp::Parser,
}

impl Session {
    /// Runs the commands that are whole, and stops early when the replies fill `room`: `drained`
    /// goes on.
    fn run_commands(
        &mut self,
        conn: &Conn<'_>,
        input: &[u8],
        store: &mut View<'_>,
        replies: &mut Vec<u8>,
        room: usize,
    ) -> Action {
        let Self { client, input: stream, parser } = self;
        let Ok(mut input) = stream.begin(input) else { return Action::Close };
        let mut read = 0;
        let mut ahead = 0;
        let action = loop {
            if replies.len() >= room {
                break Action::None;
            }
            if ahead == 0 {
                ahead = look_ahead(parser, &input[read..], store);
            }
            let command = match parser.parse(&input[read..]) {
                Ok(Some(command)) => command,
                Ok(None) => break Action::None,
                Err(error) => {
                    resp::Reply::new(replies).protocol_error(&error);
                    break Action::Close;
                }
            };
            read += command.wire_len();
            ahead = ahead.saturating_sub(1);
            match execute(store, client, command, replies) {
                Outcome::Continue => {}
                Outcome::Close => break Action::Close,
                Outcome::Shutdown => break Action::Shutdown,
                Outcome::Wake => {
                    // Full only when 65,536 messages are waiting, one of which is a wake then.
                    let _ = conn.handle().wake();
                }
            }
        };
        input.consume(read);
        action
    }
}

impl Handler for Redis<'_> {
    type Context = Session;

    fn context(&mut self, _: &Conn<'_>) -> Session {
        let id = self.shared.clients.fetch_add(1, Ordering::Relaxed) + 1;
        Session {
            client: Client::new(id),
            input: InputStream::with_max_len(resp::MAX_COMMAND_LEN),
            parser: resp::Parser::default(),
        }
    }

    fn data(&mut self, conn: &mut Conn<'_>, session: &mut Session, input: &[u8]) -> Action {
        let room = self.room.saturating_sub(conn.output_len());
        let store = &mut self.shared.store.view();
        let action = session.run_commands(conn, input, store, &mut self.replies, room);
        if self.replies.len() <= MAX_COPIED {
            conn.write(&self.replies);
            self.replies.clear();
        } else {
            conn.write_owned(mem::take(&mut self.replies));
        }
        action
    }

    fn drained(&mut self, conn: &mut Conn<'_>, session: &mut Session) -> Action {
        self.data(conn, session, &[])
    }

    fn woken(&mut self, conn: &mut Conn<'_>, _: &mut Session) -> Action {
        info!("{}: woken", conn.id());
        Action::None
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(|| run(&options))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let loops = options.listen.loops();
    let store = Store::new(loops.count(), DEFAULT_MAX_MEMORY);
    let shared = Shared { store, clients: AtomicU64::new(0) };
    let limits = options.clients.limits().max_output(MAX_OUTPUT);
    let room = limits.high_watermark + 1;
    let server = options.listen.bind("tcp", options.port)?.limits(limits);
    cli::start(server, &options.clients)?.run_each(loops, |_loop_id| Redis {
        shared: &shared,
        replies: Vec::new(),
        room,
    })?;
    Ok(())
}
