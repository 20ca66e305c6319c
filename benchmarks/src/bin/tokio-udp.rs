//! A datagram echo as tokio's users write it: one task on the current-thread runtime.

use std::io;

use clap::Parser;
use evio_benchmarks::server::{Args, READ_BUFFER, announce_udp};
use tokio::net::UdpSocket;
use tokio::runtime::Builder;

fn main() -> io::Result<()> {
    let args = Args::parse();
    Builder::new_current_thread().enable_io().build()?.block_on(serve(args))
}

async fn serve(args: Args) -> io::Result<()> {
    let socket = UdpSocket::bind(args.address()).await?;
    announce_udp(socket.local_addr())?;
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        let (length, peer) = match socket.recv_from(&mut buffer).await {
            Ok(datagram) => datagram,
            // The fate of an earlier datagram, to a peer that is gone.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(error) => return Err(error),
        };
        // A datagram that has no peer any more is lost, as datagrams may be.
        let _ = socket.send_to(&buffer[..length], peer).await;
    }
}
