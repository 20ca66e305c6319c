//! Sends messages back to who sent them, or to everyone, and datagrams back, as tokio's users write
//! it: a task that reads and one that listens to the broadcasts for each connection, on the
//! current-thread runtime.

use std::io;
use std::sync::Arc;

use clap::Parser;
use evio_benchmarks::hub::{MESSAGE, TO_EVERYONE};
use evio_benchmarks::server::{Args, READ_BUFFER, announce, announce_udp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Builder;
use tokio::sync::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver, Sender};

type Message = [u8; MESSAGE];

/// Messages to everyone that may wait. A connection that falls further behind loses some.
const BACKLOG: usize = 65_536;

/// The most messages to everyone that are written at once.
const BATCH: usize = READ_BUFFER / MESSAGE;

fn main() -> io::Result<()> {
    let args = Args::parse();
    Builder::new_current_thread().enable_io().build()?.block_on(serve(args))
}

async fn serve(args: Args) -> io::Result<()> {
    let listener = TcpListener::bind(args.address()).await?;
    let address = listener.local_addr()?;
    let socket = UdpSocket::bind(address).await?;
    announce(Ok(address))?;
    announce_udp(socket.local_addr())?;
    tokio::spawn(echo_datagrams(socket));
    let (sender, _) = broadcast::channel(BACKLOG);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        let writer = Arc::new(Mutex::new(writer));
        let (notes, sender) = (sender.subscribe(), sender.clone());
        let (own, shared) = (Arc::clone(&writer), writer);
        let listening = tokio::spawn(async move {
            let _ = pass_on(notes, &shared).await;
        });
        tokio::spawn(async move {
            // A connection that fails is over; the others go on.
            let _ = answer(reader, &own, &sender).await;
            listening.abort();
        });
    }
}

/// Answers the messages of one connection.
async fn answer(
    mut reader: OwnedReadHalf,
    writer: &Mutex<OwnedWriteHalf>,
    sender: &Sender<Message>,
) -> io::Result<()> {
    let (mut buffer, mut filled) = (vec![0; READ_BUFFER], 0);
    let mut answers = Vec::new();
    loop {
        let length = reader.read(&mut buffer[filled..]).await?;
        if length == 0 {
            return Ok(());
        }
        filled += length;
        let messages = buffer[..filled].chunks_exact(MESSAGE);
        let rest = filled - messages.remainder().len()..filled;
        for message in messages {
            if message[0] == TO_EVERYONE {
                // Refused only when there is nobody to hear it.
                let _ = sender.send(message.try_into().expect("each is of this length"));
            } else {
                answers.extend_from_slice(message);
            }
        }
        filled = rest.len();
        buffer.copy_within(rest, 0);
        if !answers.is_empty() {
            writer.lock().await.write_all(&answers).await?;
            answers.clear();
        }
    }
}

/// Writes to one connection what goes to everyone, all that waits at once.
async fn pass_on(mut notes: Receiver<Message>, writer: &Mutex<OwnedWriteHalf>) -> io::Result<()> {
    let mut batch = Vec::new();
    loop {
        match notes.recv().await {
            Ok(message) => batch.extend_from_slice(&message),
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return Ok(()),
        }
        while batch.len() < BATCH * MESSAGE {
            let Ok(message) = notes.try_recv() else { break };
            batch.extend_from_slice(&message);
        }
        writer.lock().await.write_all(&batch).await?;
        batch.clear();
    }
}

async fn echo_datagrams(socket: UdpSocket) -> io::Result<()> {
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        // Neither an error of an earlier datagram nor one that finds no room ends it.
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
        let _ = socket.send_to(&buffer[..length], peer).await;
    }
}
