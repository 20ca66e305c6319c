//! Answers every HTTP/1.1 request with the same page. Try it with `curl -i 127.0.0.1:8080`.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use clap::{Parser, value_parser};
use evio::{Action, Conn, Handler, InputStream};
use evio_examples::cli::{self, ClientLimits, Listen};
use evio_examples::http::{DEFAULT_MAX_BODY, Exchange, Flow, Responses};

/// Answers every request with the same page. Ctrl-C ends it.
#[derive(Parser)]
#[command(name = "http-server", version)]
struct Options {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Size of the page in bytes, instead of a greeting
    #[arg(long, value_name = "BYTES", value_parser = value_parser!(u32).range(..=1 << 30))]
    body: Option<u32>,
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    clients: ClientLimits,
}

/// How late the date of a response may change. Asking the clock for each request would cost half a
/// percent of it.
const DATE_LAG: Duration = Duration::from_millis(20);

/// One loop's part of the server.
struct Http {
    responses: Responses,
    /// When it was last seen to that the date of the responses is right.
    looked_at: Instant,
    /// How much may be written before the peer must read.
    room: usize,
}

/// One client.
struct Session {
    input: InputStream,
    exchange: Exchange,
}

impl Handler for Http {
    type Context = Session;

    fn context(&mut self, _: &Conn<'_>) -> Session {
        Session { input: InputStream::new(), exchange: Exchange::new(DEFAULT_MAX_BODY) }
    }

    fn data(&mut self, conn: &mut Conn<'_>, session: &mut Session, input: &[u8]) -> Action {
        if conn.now().saturating_duration_since(self.looked_at) >= DATE_LAG {
            self.responses.refresh(SystemTime::now());
            self.looked_at = conn.now();
        }
        let Session { input: stream, exchange } = session;
        let Ok(mut input) = stream.begin(input) else { return Action::Close };
        let room = self.room.saturating_sub(conn.output_len());
        let progress = exchange
            .advance(&input, &self.responses, conn, room)
            .expect("writing to a connection never fails");
        input.consume(progress.consumed);
        match progress.flow {
            Flow::Continue | Flow::Blocked => Action::None,
            Flow::Close => Action::Close,
            Flow::Finish => {
                conn.shutdown_read();
                Action::Close
            }
        }
    }

    /// Goes on with the requests that were left when the replies had piled up.
    fn drained(&mut self, conn: &mut Conn<'_>, session: &mut Session) -> Action {
        self.data(conn, session, &[])
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(|| run(&options))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let page = match options.body {
        Some(size) => vec![b'x'; size as usize],
        None => b"Hello World!\r\n".to_vec(),
    };
    let limits = options.clients.limits();
    let server = options.listen.bind("tcp", options.port)?.limits(limits);
    cli::start(server, &options.clients)?.run_each(options.listen.loops(), |_loop_id| Http {
        responses: Responses::new(page.clone(), SystemTime::now()),
        looked_at: Instant::now(),
        room: limits.high_watermark + 1,
    })?;
    Ok(())
}
