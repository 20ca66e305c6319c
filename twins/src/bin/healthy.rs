//! The server that every check must pass: evio behind the protocol of the checks.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use evio::{Action, CloseReason, Conn, ConnHandle, Handler, InputStream, Limits, Loop, Server};
use evio_twins::protocol::{self, Command, MAX_LINE, Options, WOKEN, report};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

/// The handles of all connections, by number from 1: those of closed ones stay, for checks that
/// use them.
type Handles = Arc<Mutex<Vec<ConnHandle>>>;

struct Healthy {
    options: Options,
    begin: Instant,
    handles: Handles,
}

struct Context {
    number: usize,
    stream: InputStream,
}

impl Handler for Healthy {
    type Context = Context;

    fn context(&mut self, conn: &Conn<'_>) -> Context {
        let mut handles = self.handles.lock().expect("no thread panics with the lock");
        handles.push(conn.handle());
        Context { number: handles.len(), stream: InputStream::with_max_len(MAX_LINE + 2) }
    }

    fn opened(&mut self, _: &mut Conn<'_>, context: &mut Context) -> Action {
        report(format_args!("opened {}", context.number));
        Action::None
    }

    fn data(&mut self, conn: &mut Conn<'_>, context: &mut Context, input: &[u8]) -> Action {
        if self.options.lines {
            return answer_lines(conn, context, input);
        }
        conn.write(input);
        Action::None
    }

    fn woken(&mut self, conn: &mut Conn<'_>, context: &mut Context) -> Action {
        conn.write(WOKEN);
        report(format_args!("woken {}", context.number));
        Action::None
    }

    fn closed(&mut self, _: &mut Conn<'_>, context: Context, _: CloseReason) -> ControlFlow<()> {
        report(format_args!("closed {}", context.number));
        ControlFlow::Continue(())
    }

    fn tick(&mut self, _: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        let Some(period) = self.options.tick_period() else {
            return ControlFlow::Continue(Duration::MAX);
        };
        self.options.on_tick(self.begin);
        ControlFlow::Continue(period)
    }
}

fn answer_lines(conn: &mut Conn<'_>, context: &mut Context, input: &[u8]) -> Action {
    let Ok(mut unread) = context.stream.begin(input) else { return Action::Close };
    loop {
        match unread.take_line(MAX_LINE) {
            Ok(Some(line)) => {
                writeln!(conn, "{}", line.len()).expect("writing to a connection never fails");
            }
            Ok(None) => return Action::None,
            Err(_) => return Action::Close,
        }
    }
}

fn main() -> Result<(), evio::Error> {
    let begin = Instant::now();
    let Arguments { options } = Arguments::parse();
    let limits = Limits::default().idle_timeout(options.idle_timeout());
    let server = Server::bind(["tcp://127.0.0.1:0"])?.limits(limits);
    report(format_args!("listening {}", server.local_addrs()[0].addr()));
    let (handles, handle) = (Handles::default(), server.handle());
    let handler = Healthy { options, begin, handles: Arc::clone(&handles) };
    std::thread::spawn(move || {
        protocol::for_each_command(|command| {
            let of = |number: usize| {
                let handles = handles.lock().expect("no thread panics with the lock");
                handles.get(number - 1).cloned().expect("checks name connections that exist")
            };
            match command {
                Command::Wake(number) => of(number).wake().expect("the server is running"),
                Command::Send(number, text) => {
                    of(number).send(text).expect("the server is running");
                }
                Command::Quit => handle.shutdown(),
            }
        });
    });
    server.run(handler)
}
