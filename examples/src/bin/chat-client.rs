//! A client and nothing else: it joins a chat room, and comes back when it has lost the server.
//! Try it with `chat-server` running, and type.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use evio::{
    Action, CloseReason, Conn, ConnId, ConnectOptions, DialError, Handler, Interest, Limits, Loop,
    LoopTimer, Resolver, Server, Serving, Watched,
};
use evio_examples::cli;
use log::{error, info, warn};

/// Sends what is typed to a chat room, and prints what is said there. Ctrl-C ends it, and so does
/// the end of what is typed (Ctrl-D) once the room has it all, or at once when there is none.
#[derive(Parser)]
#[command(name = "chat-client", version)]
struct Options {
    /// Host and port of the room
    #[arg(default_value = "localhost:5555", value_parser = host_and_port)]
    room: String,
    /// How long a connection may take to come about
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = cli::parse_time)]
    connect_timeout: Duration,
}

/// Refuses at once what can be no name of a room, however often it is tried.
fn host_and_port(text: &str) -> Result<String, String> {
    let port = text.rsplit_once(':').and_then(|(_host, port)| port.parse::<u16>().ok());
    port.map(|_| text.to_owned()).ok_or_else(|| "a host and a port, such as localhost:5555".into())
}

/// Between two attempts: the first pause, which doubles each time, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

struct Client {
    address: String,
    resolver: Resolver,
    options: ConnectOptions,
    pause: Duration,
    /// The connection to the room.
    room: Option<ConnId>,
    is_stdin_watched: bool,
    /// What was typed and has to wait, and whether nothing more will be.
    typed: Vec<u8>,
    has_ended: bool,
}

impl Client {
    fn connect(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<()> {
        let dial = self.resolver.dial(event_loop, &self.address, &self.options);
        // It fails when the client is ending.
        dial.map_or(ControlFlow::Break(()), |_| ControlFlow::Continue(()))
    }

    fn connect_later(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<()> {
        let pause = self.pause;
        self.pause = (2 * pause).min(LONGEST_PAUSE);
        let timer = event_loop.set_timer(pause, 0);
        timer.map_or(ControlFlow::Break(()), |_| ControlFlow::Continue(()))
    }

    /// Sends what was typed, and waits for more: unless the room has not taken what was typed
    /// before, or is gone. Then it waits, and nothing more is read.
    fn go_on(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<()> {
        let room = self.room.and_then(|room| event_loop.conn(room));
        if let Some(mut room) = room.filter(|room| room.output_room() > 0) {
            room.write(&mem::take(&mut self.typed));
            if self.has_ended {
                room.shutdown_write();
            }
        }
        match (self.has_ended, self.room) {
            (true, None) => return ControlFlow::Break(()),
            (false, _) if self.typed.is_empty() && !self.is_stdin_watched => {}
            _ => return ControlFlow::Continue(()),
        }
        let stdin = io::stdin().as_fd().try_clone_to_owned();
        if let Err(error) = stdin.and_then(|fd| event_loop.watch(fd, Interest::READABLE, 0)) {
            error!("cannot wait for standard input, which must be a terminal or a pipe: {error}");
            return ControlFlow::Break(());
        }
        self.is_stdin_watched = true;
        ControlFlow::Continue(())
    }
}

impl Handler for Client {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn serving(&mut self, event_loop: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
        self.connect(event_loop)?;
        self.go_on(event_loop)
    }

    fn opened(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        if let Ok(peer) = conn.peer_addr() {
            info!("connected to {peer}");
        }
        self.pause = FIRST_PAUSE;
        self.room = Some(conn.id());
        self.drained(conn, &mut ())
    }

    /// The room takes what is typed, for the first time or again.
    fn drained(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        let goes_on = self.go_on(&mut conn.event_loop()).is_continue();
        if goes_on { Action::None } else { Action::Shutdown }
    }

    /// Prints what the room says.
    fn data(&mut self, _: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(input).and_then(|()| stdout.flush()) {
            Ok(()) => Action::None,
            // Nobody reads any more.
            Err(_) => Action::Shutdown,
        }
    }

    /// Something was typed, or that has ended.
    fn ready(&mut self, stdin: &mut Watched<'_>) -> ControlFlow<()> {
        let mut text = [0; 4096];
        match stdin.read(&mut text) {
            Ok(len) => {
                self.has_ended = len == 0;
                self.typed.extend_from_slice(&text[..len]);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                error!("cannot read standard input: {error}");
                return ControlFlow::Break(());
            }
        }
        stdin.unwatch();
        self.is_stdin_watched = false;
        self.go_on(&mut stdin.event_loop())
    }

    fn closed(&mut self, conn: &mut Conn<'_>, _: (), reason: CloseReason) -> ControlFlow<()> {
        if self.has_ended {
            return ControlFlow::Break(());
        }
        warn!("lost the room: {reason}");
        self.room = None;
        self.connect_later(&mut conn.event_loop())
    }

    fn dial_failed(&mut self, event_loop: &mut Loop<'_>, error: DialError) -> ControlFlow<()> {
        warn!("{error}");
        self.connect_later(event_loop)
    }

    fn loop_timer(&mut self, event_loop: &mut Loop<'_>, _: LoopTimer) -> ControlFlow<()> {
        self.connect(event_loop)
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(|| run(options))
}

fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let limits = Limits::default().connect_timeout(options.connect_timeout);
    let client = Client {
        address: options.room,
        resolver: Resolver::new()?,
        options: ConnectOptions::default().limits(limits),
        pause: FIRST_PAUSE,
        room: None,
        is_stdin_watched: false,
        typed: Vec::new(),
        has_ended: false,
    };
    let server = Server::without_addresses().shutdown_on_signals(Duration::from_secs(1))?;
    server.run(client)?;
    Ok(())
}
