//! A chat room. Try it with `nc 127.0.0.1 5555`, more than once.

use std::collections::HashSet;
use std::error::Error;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use evio::{Action, CloseReason, Conn, Handler, InputStream};
use evio_examples::cli::{self, ClientLimits, Listen};
use parking_lot::Mutex;

/// A chat room: every line goes to everyone. Ctrl-C ends it.
///
/// A guest types "/nick NAME" to take a name that nobody has, and "/quit" to leave. Who neither
/// says nor hears anything for too long, or takes the lines of the others too slowly, has to leave.
#[derive(Parser)]
#[command(name = "chat-server", version)]
struct Options {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 5555)]
    port: u16,
    /// Bytes of unread lines above which a guest has to leave
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    #[arg(value_parser = cli::bytes::<usize>(1024..))]
    max_backlog: usize,
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    clients: ClientLimits,
}

/// The longest line, and the longest name; a room has no use for more.
const MAX_LINE: usize = 1024;
const MAX_NAME: usize = 32;

/// How the name of a guest begins who has not chosen one.
const UNNAMED: &str = "guest-";

const HELP: &[u8] = b"Type /nick NAME to take another name, /quit to leave.\n";

/// The room, as one loop has it.
#[derive(Clone, Default)]
pub(crate) struct Room {
    /// The names that guests of all loops have chosen.
    names: Arc<Mutex<HashSet<String>>>,
}

pub(crate) struct Guest {
    name: String,
    input: InputStream,
}

impl Handler for Room {
    type Context = Guest;

    fn context(&mut self, conn: &Conn<'_>) -> Guest {
        let name = format!("{UNNAMED}{}", conn.id());
        // Room for a line that is not whole yet.
        Guest { name, input: InputStream::with_max_len(2 * MAX_LINE) }
    }

    fn opened(&mut self, conn: &mut Conn<'_>, guest: &mut Guest) -> Action {
        conn.write(HELP);
        say(conn, &format!("* {} is here", guest.name));
        Action::None
    }

    fn data(&mut self, conn: &mut Conn<'_>, guest: &mut Guest, input: &[u8]) -> Action {
        let Guest { name, input: stream } = guest;
        let Ok(mut input) = stream.begin(input) else { return Action::Close };
        loop {
            let line = match input.take_line(MAX_LINE) {
                Ok(Some(line)) => printable(line),
                Ok(None) => return Action::None,
                Err(_) => return Action::Close,
            };
            match line.split_once(' ').unwrap_or((&line, "")) {
                ("", _) => {}
                ("/quit", _) => return Action::Close,
                ("/nick", new) if new.trim().is_empty() => conn.write(b"* /nick wants a name\n"),
                ("/nick", new) => self.rename(conn, name, new),
                (word, _) if word.starts_with('/') => conn.write(HELP),
                _ => say(conn, &format!("{name}: {line}")),
            }
        }
    }

    fn closed(
        &mut self,
        conn: &mut Conn<'_>,
        guest: Guest,
        reason: CloseReason,
    ) -> ControlFlow<()> {
        self.names.lock().remove(&guest.name);
        say(conn, &format!("* {} has left: {reason}", guest.name));
        ControlFlow::Continue(())
    }
}

impl Room {
    /// Gives a guest another name, unless somebody has it.
    fn rename(&self, conn: &mut Conn<'_>, name: &mut String, new: &str) {
        let new: String = new.trim_start().chars().take(MAX_NAME).collect();
        let new = new.trim_end();
        if new.starts_with(UNNAMED) || !self.names.lock().insert(new.to_owned()) {
            return conn.write(format!("* {new} is taken\n").as_bytes());
        }
        self.names.lock().remove(name);
        say(conn, &format!("* {name} is now {new}"));
        new.clone_into(name);
    }
}

/// Sends a line to everyone, on this loop and on the others. The line is shared, not copied.
fn say(conn: &Conn<'_>, line: &str) {
    let line: Arc<[u8]> = format!("{line}\n").into_bytes().into();
    // Refused only when a loop has no room for messages, or none is left to have any.
    let _ = conn.loop_handle().broadcast(line);
}

/// Leaves out what would let one guest write on the others' terminals.
fn printable(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    line.trim().chars().filter(|c| !c.is_control()).collect()
}

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(|| run(&options))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let Options { port, max_backlog, listen, clients } = options;
    let limits = clients.limits().max_output(*max_backlog).high_watermark(*max_backlog);
    let server = listen.bind("tcp", *port)?.limits(limits);
    let room = Room::default();
    cli::start(server, clients)?.run_each(listen.loops(), |_loop_id| room.clone())?;
    Ok(())
}
