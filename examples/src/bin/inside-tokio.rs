//! An evio server inside a tokio runtime: one thread, on which each sleeps when the other does.
//!
//! Try it with `nc 127.0.0.1 5001`: the echo is evio's, the time is told by a task of tokio.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use evio::{Action, Events, Handler, Progress, RunningServer, Server, ServerHandle};
use evio_examples::cli::{self, ClientLimits};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::{runtime, task, time};

/// Sends back whatever it receives, inside a tokio runtime that tells all clients the time.
/// Ctrl-C ends it.
#[derive(Parser)]
#[command(name = "inside-tokio", version)]
struct Options {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 5001)]
    port: u16,
    /// How often the task of tokio tells the time
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = cli::parse_time)]
    every: Duration,
    #[command(flatten)]
    clients: ClientLimits,
}

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(|| {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(run(&options))
    })
}

async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let server = Server::bind([format!("tcp://127.0.0.1:{}", options.port)])?;
    let server = cli::start(server.limits(options.clients.limits()), &options.clients)?;
    let clock = task::spawn(tell_time(server.handle(), options.every));
    let echo = Events::new().data(|conn, _, input| {
        conn.write(input);
        Action::None
    });
    let ended = serve(server.start(echo)?).await;
    clock.abort();
    ended
}

/// Makes the turns of a server until it ends.
// Its successor is unsafe, for types whose descriptor may be another one later; a server's is not.
#[allow(deprecated, reason = "the safe way to make an AsyncFd")]
async fn serve<H: Handler>(server: RunningServer<H>) -> Result<(), Box<dyn Error>> {
    let mut server = AsyncFd::with_interest(server, Interest::READABLE)?;
    loop {
        let guard = match server.get_ref().timeout() {
            Some(wait) => time::timeout(wait, server.readable_mut()).await.ok().transpose()?,
            None => Some(server.readable_mut().await?),
        };
        let progress = match guard {
            Some(mut guard) => {
                let progress = guard.get_inner_mut().turn(Some(Duration::ZERO))?;
                if progress == Progress::Idle {
                    // tokio is told of changes only, so before that it must not wait for one.
                    guard.clear_ready();
                }
                progress
            }
            // The time is up: a timer of the server is due.
            None => server.get_mut().turn(Some(Duration::ZERO))?,
        };
        if progress == Progress::Ended {
            return Ok(());
        }
        // Turns are short, and the other tasks come in between.
        task::yield_now().await;
    }
}

/// Tells all clients how long the server has been running.
async fn tell_time(server: ServerHandle, every: Duration) {
    let start = time::Instant::now();
    loop {
        time::sleep(every).await;
        let text = format!("tokio: {} s\n", start.elapsed().as_secs());
        // A server that has ended needs none, and one whose mailbox is full is told the next.
        let _ = server.broadcast(text.into_bytes());
    }
}
