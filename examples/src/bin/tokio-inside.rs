//! Clients written for tokio inside an evio server: a runtime on a thread of its own, which is
//! given questions by a queue, each with the reply that is owed for it.
//!
//! Try it with `nc 127.0.0.1 5002`, with `echo-server` behind it.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Parser;
use evio::{Action, Conn, Handler, Reply, Server};
use evio_examples::cli::{self, ClientLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::{runtime, time};

/// Asks another server for each piece of input, by a client of tokio. Ctrl-C ends it.
#[derive(Parser)]
#[command(name = "tokio-inside", version)]
struct Options {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 5002)]
    port: u16,
    /// The server to ask
    #[arg(long, default_value = "127.0.0.1:5000")]
    upstream: SocketAddr,
    #[command(flatten)]
    clients: ClientLimits,
}

/// Questions that are asked at the same time, each by a connection; as many again wait.
const MAX_ASKED: usize = 256;
const MAX_ANSWER: u64 = 64 << 10;
const ANSWER_TIME: Duration = Duration::from_secs(10);

struct Question {
    text: Vec<u8>,
    reply: Reply,
}

struct Asking {
    questions: mpsc::Sender<Question>,
}

impl Handler for Asking {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        let question = Question { text: input.to_vec(), reply: conn.reply() };
        // One that finds no room is dropped, and `unanswered` is called.
        let _ = self.questions.try_send(question);
        Action::None
    }

    fn unanswered(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        conn.write(b"too many questions\n");
        Action::None
    }
}

/// Asks until the server, which has the other end of the queue, is gone.
async fn answer_all(upstream: SocketAddr, mut questions: mpsc::Receiver<Question>) {
    let places = Arc::new(Semaphore::new(MAX_ASKED));
    while let Some(Question { text, reply }) = questions.recv().await {
        let place = Arc::clone(&places).acquire_owned().await;
        tokio::spawn(async move {
            let answer = time::timeout(ANSWER_TIME, ask(upstream, &text)).await;
            let answer = answer.map_err(io::Error::from).and_then(|answer| answer);
            let answer = answer.unwrap_or_else(|error| format!("{error}\n").into_bytes());
            // The client may have gone meanwhile, or the server.
            let _ = reply.send(answer);
            drop(place);
        });
    }
}

async fn ask(upstream: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(upstream).await?;
    stream.write_all(question).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(|| run(&options))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let server = Server::bind([format!("tcp://127.0.0.1:{}", options.port)])?;
    // A client is read from when it has its answer, so that the answers are in order.
    let limits = options.clients.limits().max_owed_replies(1);
    let server = cli::start(server.limits(limits), &options.clients)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (questions, asked) = mpsc::channel(MAX_ASKED);
    let upstream = options.upstream;
    let clients = thread::spawn(move || runtime.block_on(answer_all(upstream, asked)));
    server.run(Asking { questions })?;
    clients.join().map_err(|_| "the clients have panicked")?;
    Ok(())
}
