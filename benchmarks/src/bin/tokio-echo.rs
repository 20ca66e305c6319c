//! An echo as tokio's users write it: one task per connection.

use std::io;

use clap::Parser;
use evio_benchmarks::server::{Args, READ_BUFFER, announce};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

#[derive(Debug, Parser)]
struct TokioArgs {
    #[command(flatten)]
    common: Args,
    /// Use the work-stealing runtime with so many workers; 0 is one for each core the process may
    /// use [default: the current-thread runtime]
    #[arg(long, value_name = "N")]
    loops: Option<u16>,
}

fn main() -> io::Result<()> {
    let args = TokioArgs::parse();
    runtime(args.loops).enable_io().build()?.block_on(serve(args.common))
}

fn runtime(loops: Option<u16>) -> Builder {
    let Some(loops) = loops else { return Builder::new_current_thread() };
    let mut builder = Builder::new_multi_thread();
    if loops > 0 {
        builder.worker_threads(usize::from(loops));
    }
    builder
}

async fn serve(args: Args) -> io::Result<()> {
    let listener = TcpListener::bind(args.address()).await?;
    announce(listener.local_addr())?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            // A connection that fails is over; the others go on.
            let _ = echo(stream).await;
        });
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..length]).await?;
    }
}
