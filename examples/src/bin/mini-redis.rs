//! A redis of five commands, to be read before `redis-server`. Try it with `redis-cli -p 6381`.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use evio::{Action, Conn, Handler, InputStream, Loop, Server};
use evio_examples::cli::{self, ClientLimits};
use evio_examples::resp::{self, Command, Reply, parse_integer};

/// Serves GET, SET, DEL, INCR and EXPIRE from memory. Ctrl-C ends it.
#[derive(Parser)]
#[command(name = "mini-redis", version)]
struct Options {
    /// Port of 127.0.0.1 to listen on; 0 takes any free one
    #[arg(long, default_value_t = 6381)]
    port: u16,
    #[command(flatten)]
    clients: ClientLimits,
}

/// The bytes of all keys and values above which SET and INCR are refused.
const MAX_MEMORY: usize = 1 << 30;

/// How often expired keys are removed, and how many at most: clients wait meanwhile.
const EXPIRE_EVERY: Duration = Duration::from_millis(100);
const EXPIRE_AT_ONCE: usize = 10_000;

const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

#[derive(Default)]
pub(crate) struct Store {
    entries: HashMap<Vec<u8>, Entry>,
    /// When keys expire, the next one first: the deadlines of `entries`.
    deadlines: BTreeSet<(Instant, Vec<u8>)>,
    /// The bytes of all keys and values.
    memory: usize,
}

struct Entry {
    value: Vec<u8>,
    deadline: Option<Instant>,
}

impl Store {
    /// Finds a key. An expired one is there until it is removed, but nobody sees it.
    fn get(&self, key: &[u8], now: Instant) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.deadline.is_none_or(|deadline| now < deadline))
    }

    fn set(&mut self, key: &[u8], value: Vec<u8>, deadline: Option<Instant>) {
        self.remove(key);
        self.memory += key.len() + value.len();
        self.deadlines.extend(deadline.map(|deadline| (deadline, key.to_vec())));
        self.entries.insert(key.to_vec(), Entry { value, deadline });
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some((key, Entry { value, deadline })) = self.entries.remove_entry(key) {
            self.memory -= key.len() + value.len();
            if let Some(deadline) = deadline {
                self.deadlines.remove(&(deadline, key));
            }
        }
    }

    fn remove_expired(&mut self, now: Instant) {
        for _ in 0..EXPIRE_AT_ONCE {
            match self.deadlines.first() {
                Some((deadline, key)) if *deadline <= now => self.remove(&key.clone()),
                _ => break,
            }
        }
    }

    /// Runs a command and appends its reply; an error is for the client to read.
    fn run(
        &mut self,
        command: Command<'_>,
        now: Instant,
        reply: &mut Reply<'_>,
    ) -> Result<(), String> {
        let name = String::from_utf8_lossy(&command[0]).to_ascii_uppercase();
        if self.memory > MAX_MEMORY && matches!(name.as_str(), "SET" | "INCR") {
            return Err("OOM command not allowed when used memory > 'maxmemory'.".into());
        }
        match (name.as_str(), command.len()) {
            ("PING", 1) => reply.pong(),
            ("GET", 2) => match self.get(&command[1], now) {
                Some(entry) => reply.bulk(&entry.value),
                None => reply.null(),
            },
            ("SET", 3) => {
                self.set(&command[1], command[2].to_vec(), None);
                reply.ok();
            }
            ("DEL", 2..) => {
                let mut deleted = 0;
                for key in command.iter_from(1) {
                    deleted += usize::from(self.get(key, now).is_some());
                    self.remove(key);
                }
                reply.count(deleted);
            }
            ("INCR", 2) => reply.integer(self.increment(&command[1], now)?),
            ("EXPIRE", 3) => {
                let seconds = parse_integer(&command[2]).ok_or(NOT_AN_INTEGER)?;
                reply.count(self.expire(&command[1], seconds, now)?);
            }
            // redis-cli asks for the list of commands when it starts, and can do without.
            ("COMMAND", _) => reply.array(0),
            ("PING" | "GET" | "SET" | "DEL" | "INCR" | "EXPIRE", _) => {
                let name = name.to_ascii_lowercase();
                return Err(format!("ERR wrong number of arguments for '{name}' command"));
            }
            _ => return Err(format!("ERR unknown command '{name:.50}'")),
        }
        Ok(())
    }

    fn increment(&mut self, key: &[u8], now: Instant) -> Result<i64, String> {
        let (number, deadline) = match self.get(key, now) {
            Some(entry) => (parse_integer(&entry.value).ok_or(NOT_AN_INTEGER)?, entry.deadline),
            None => (0, None),
        };
        let sum = number.checked_add(1).ok_or("ERR increment or decrement would overflow")?;
        self.set(key, sum.to_string().into_bytes(), deadline);
        Ok(sum)
    }

    /// Lets a key expire in so many seconds, at once if there are none; returns how many keys did.
    fn expire(&mut self, key: &[u8], seconds: i64, now: Instant) -> Result<usize, String> {
        let lifetime = Duration::from_secs(seconds.try_into().unwrap_or(0));
        let deadline =
            now.checked_add(lifetime).ok_or("ERR invalid expire time in 'expire' command")?;
        let Some(value) = self.get(key, now).map(|entry| entry.value.clone()) else { return Ok(0) };
        self.set(key, value, Some(deadline));
        Ok(1)
    }
}

/// What a client has sent that is no whole command yet, and how far that was parsed.
#[derive(Default)]
pub(crate) struct Session {
    input: InputStream,
    parser: resp::Parser,
}

impl Handler for Store {
    type Context = Session;

    fn context(&mut self, _: &Conn<'_>) -> Session {
        Session::default()
    }

    fn data(&mut self, conn: &mut Conn<'_>, session: &mut Session, input: &[u8]) -> Action {
        // Fails when what is left is a part of a command, and longer than 1 MiB.
        let Ok(mut input) = session.input.begin(input) else { return Action::Close };
        // A client that does not read its replies has to wait: `drained` goes on when it has.
        let room = conn.output_room();
        let mut replies = Vec::new();
        let mut action = Action::None;
        while replies.len() < room {
            let mut reply = Reply::new(&mut replies);
            let command = match session.parser.parse(&input) {
                Ok(Some(command)) => command,
                Ok(None) => break,
                Err(error) => {
                    reply.protocol_error(&error);
                    action = Action::Close;
                    break;
                }
            };
            if !command.is_empty() {
                self.run(command, conn.now(), &mut reply)
                    .unwrap_or_else(|error| reply.error(error));
            }
            let len = command.wire_len();
            input.consume(len);
        }
        conn.write(&replies);
        action
    }

    fn drained(&mut self, conn: &mut Conn<'_>, session: &mut Session) -> Action {
        self.data(conn, session, &[])
    }

    fn tick(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        self.remove_expired(event_loop.now());
        ControlFlow::Continue(EXPIRE_EVERY)
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(|| run(&options))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let server = Server::bind([format!("tcp://127.0.0.1:{}", options.port)])?;
    let server = server.limits(options.clients.limits());
    cli::start(server, &options.clients)?.run(Store::default())?;
    Ok(())
}
