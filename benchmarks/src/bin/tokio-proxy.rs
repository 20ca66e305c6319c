//! A TCP proxy as tokio's users write it: one task per client, on the current-thread runtime.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use evio_benchmarks::server::{Args, READ_BUFFER, announce};
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::time::sleep;

/// How long the proxy accepts nobody after it could not.
const REST: Duration = Duration::from_millis(10);

#[derive(Debug, Parser)]
struct ProxyArgs {
    #[command(flatten)]
    common: Args,
    /// Address of the other server
    #[arg(long)]
    upstream: SocketAddr,
}

fn main() -> io::Result<()> {
    let args = ProxyArgs::parse();
    Builder::new_current_thread().enable_all().build()?.block_on(serve(args))
}

async fn serve(args: ProxyArgs) -> io::Result<()> {
    let listener = TcpListener::bind(args.common.address()).await?;
    announce(listener.local_addr())?;
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // Mostly a want of descriptors, which connections that end make up for.
            sleep(REST).await;
            continue;
        };
        tokio::spawn(async move {
            // A connection that fails is over; the others go on.
            let _ = relay(client, args.upstream).await;
        });
    }
}

async fn relay(mut client: TcpStream, upstream: SocketAddr) -> io::Result<()> {
    let mut server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    copy_bidirectional_with_sizes(&mut client, &mut server, READ_BUFFER, READ_BUFFER).await?;
    Ok(())
}
