//! An echo as monoio's users write it: one task per connection, on io_uring.
//!
//! io_uring takes the buffer while the kernel fills it, and gives it back with the result.

use std::io;

use clap::Parser;
use evio_benchmarks::server::{Args, READ_BUFFER, announce};
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::{IoUringDriver, RuntimeBuilder};

fn main() -> io::Result<()> {
    let args = Args::parse();
    // Old kernels lack it, and many containers forbid it.
    let unavailable = |error| io::Error::other(format!("io_uring is not available: {error}"));
    let mut runtime = RuntimeBuilder::<IoUringDriver>::new().build().map_err(unavailable)?;
    runtime.block_on(serve(args))
}

async fn serve(args: Args) -> io::Result<()> {
    let listener = TcpListener::bind(args.address())?;
    announce(listener.local_addr())?;
    loop {
        let (stream, _) = listener.accept().await?;
        monoio::spawn(async move {
            // A connection that fails is over; the others go on.
            let _ = echo(stream).await;
        });
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(READ_BUFFER);
    loop {
        let (received, filled) = stream.read(buffer).await;
        if received? == 0 {
            return Ok(());
        }
        let (sent, returned) = stream.write_all(filled).await;
        sent?;
        buffer = returned;
        buffer.clear();
    }
}
