//! Work that would hold up a loop, on threads of its own: the prime factors of numbers, as
//! factor(1) prints them. Try it with `echo 1000000016000000063 | nc -N 127.0.0.1 5003`.

use std::error::Error;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;
use evio::{Action, Conn, Handler, InputStream, Server, WorkerPool};
use evio_examples::cli::{self, ClientLimits};

/// Answers each number, one a line, with its prime factors. Ctrl-C ends it.
///
/// An answer is sent when it is ready: easy numbers overtake hard ones.
#[derive(Parser)]
#[command(name = "worker-pool", version)]
struct Options {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 5003)]
    port: u16,
    /// Threads that work
    #[arg(long, value_name = "N", default_value_t = 4)]
    threads: usize,
    /// Numbers that may wait for a thread; who asks for more is told to come back
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_waiting: usize,
    /// How many a client may be owed before no more is read from it
    #[arg(long, value_name = "N", default_value_t = 64)]
    max_owed: u32,
    /// Wait for so long before each answer, as if for a disk or another server
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = cli::parse_time)]
    delay: Duration,
    /// Messages from threads that may wait for the loop; answers always have room
    #[arg(long, value_name = "N", default_value_t = 65_536)]
    mailbox: usize,
    #[command(flatten)]
    clients: ClientLimits,
}

/// More than the digits of any number that has 64 bits.
const MAX_LINE: usize = 64;

struct Factors {
    pool: WorkerPool,
    delay: Duration,
}

impl Handler for Factors {
    type Context = InputStream;

    fn context(&mut self, _: &Conn<'_>) -> InputStream {
        InputStream::new()
    }

    fn data(&mut self, conn: &mut Conn<'_>, stream: &mut InputStream, input: &[u8]) -> Action {
        let Ok(mut input) = stream.begin(input) else { return Action::Close };
        // A client that is owed as much as may be is paused, and the rest of its lines waits.
        while !conn.is_paused() {
            match input.take_line(MAX_LINE) {
                Ok(Some(line)) => self.answer(conn, &String::from_utf8_lossy(line)),
                Ok(None) => break,
                Err(_) => return Action::Close,
            }
        }
        Action::None
    }

    /// The client is owed less again.
    fn woken(&mut self, conn: &mut Conn<'_>, stream: &mut InputStream) -> Action {
        self.data(conn, stream, &[])
    }

    /// The work has panicked; the client is told, since it waits.
    fn unanswered(&mut self, conn: &mut Conn<'_>, _: &mut InputStream) -> Action {
        conn.write(b"no answer\n");
        Action::None
    }
}

impl Factors {
    fn answer(&self, conn: &mut Conn<'_>, line: &str) {
        let Ok(number) = line.trim().parse() else {
            return conn.write(format!("{}: not a number of 64 bits\n", line.trim()).as_bytes());
        };
        let delay = self.delay;
        let work = move || {
            thread::sleep(delay);
            factors(number)
        };
        if self.pool.answer(conn, work).is_err() {
            conn.write(format!("{number}: busy, try again later\n").as_bytes());
        }
    }
}

/// Returns a number and its prime factors, found by trying: two large ones take seconds.
fn factors(number: u64) -> String {
    let (mut line, mut rest, mut factor) = (format!("{number}:"), number, 2);
    while rest > 1 {
        // A rest without a factor up to its root is prime.
        factor = if factor > rest / factor { rest } else { factor };
        while rest % factor == 0 {
            line += &format!(" {factor}");
            rest /= factor;
        }
        factor += if factor == 2 { 1 } else { 2 };
    }
    line + "\n"
}

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(|| run(&options))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let limits = options.clients.limits().max_owed_replies(options.max_owed);
    let server = Server::bind([format!("tcp://127.0.0.1:{}", options.port)])?
        .limits(limits)
        .mailbox_capacity(options.mailbox);
    let pool = WorkerPool::new(options.threads, options.max_waiting)?;
    cli::start(server, &options.clients)?.run(Factors { pool, delay: options.delay })?;
    Ok(())
}
