//! A client and nothing else: it joins a chat room, and comes back when it has lost the server.
//! Try it with `chat-server` running, and type.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use evio::{
    Action, CloseReason, Conn, ConnectOptions, DialError, Handler, Interest, Limits, Loop,
    LoopTimer, Resolver, Server, Serving, WatchId, Watched,
};
use evio_examples::cli;
use log::{error, info, warn};

/// Sends what is typed to a chat room, and prints what is said there. Ctrl-C ends it, and so does
/// the end of what is typed (Ctrl-D) once the room has it all.
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
    room: String,
    resolver: Resolver,
    options: ConnectOptions,
    pause: Duration,
    /// What is typed, while it is watched, and whether that has ended.
    typed: Option<WatchId>,
    has_ended: bool,
}

impl Client {
    fn connect(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<()> {
        match self.resolver.dial(event_loop, &self.room, &self.options) {
            Ok(_) => ControlFlow::Continue(()),
            // The client is ending.
            Err(_) => ControlFlow::Break(()),
        }
    }

    /// Watches standard input on behalf of a connection, if it is not watched.
    fn watch_stdin(&mut self, conn: &mut Conn<'_>) -> io::Result<()> {
        if self.typed.is_some() || self.has_ended {
            return Ok(());
        }
        let (room, stdin) = (conn.id(), io::stdin().as_fd().try_clone_to_owned()?);
        self.typed = Some(conn.event_loop().watch(stdin, Interest::READABLE, room)?);
        Ok(())
    }

    fn stop_reading(&mut self, typed: &mut Watched<'_>) -> ControlFlow<()> {
        typed.unwatch();
        self.typed = None;
        ControlFlow::Continue(())
    }

    fn connect_later(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<()> {
        let pause = self.pause;
        self.pause = (2 * pause).min(LONGEST_PAUSE);
        match event_loop.set_timer(pause, 0) {
            Ok(_) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

impl Handler for Client {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn serving(&mut self, event_loop: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
        self.connect(event_loop)
    }

    fn opened(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        if let Ok(peer) = conn.peer_addr() {
            info!("connected to {peer}");
        }
        self.pause = FIRST_PAUSE;
        match self.watch_stdin(conn) {
            Ok(()) => Action::None,
            Err(error) => {
                error!(
                    "cannot wait for standard input, which must be a terminal or a pipe: {error}"
                );
                Action::Shutdown
            }
        }
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

    /// Sends what was typed, unless the room has not taken what was typed before, or is gone: then
    /// nothing is read, and what is typed waits.
    fn ready(&mut self, typed: &mut Watched<'_>) -> ControlFlow<()> {
        let Some(room) = typed.tag().conn else { return ControlFlow::Continue(()) };
        let has_room = typed.event_loop().conn(room).is_some_and(|room| room.output_room() > 0);
        if !has_room {
            // `drained` or the next `opened` goes on.
            return self.stop_reading(typed);
        }
        let mut text = [0; 4096];
        let len = match typed.read(&mut text) {
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                return ControlFlow::Continue(());
            }
            Err(error) => {
                error!("cannot read standard input: {error}");
                return ControlFlow::Break(());
            }
        };
        self.has_ended = len == 0;
        if self.has_ended {
            typed.unwatch();
        }
        if let Some(mut room) = typed.event_loop().conn(room) {
            room.write(&text[..len]);
            if self.has_ended {
                room.shutdown_write();
            }
        }
        ControlFlow::Continue(())
    }

    /// The room has taken what was too much.
    fn drained(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        match self.watch_stdin(conn) {
            Ok(()) => Action::None,
            Err(_) => Action::Shutdown,
        }
    }

    /// What is typed waits until there is a room again.
    fn closed(&mut self, conn: &mut Conn<'_>, _: (), reason: CloseReason) -> ControlFlow<()> {
        if self.has_ended {
            return ControlFlow::Break(());
        }
        warn!("lost the room: {reason}");
        let mut event_loop = conn.event_loop();
        if let Some(typed) = self.typed.take() {
            event_loop.unwatch(typed);
        }
        self.connect_later(&mut event_loop)
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
        room: options.room,
        resolver: Resolver::new()?,
        options: ConnectOptions::default().limits(limits),
        pause: FIRST_PAUSE,
        typed: None,
        has_ended: false,
    };
    let server = Server::without_addresses().shutdown_on_signals(Duration::from_secs(1))?;
    server.run(client)?;
    Ok(())
}
