//! The ways to send a note, each with a consumer on a thread of its own.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;

use evio_core::{Action, Config, Conn, ConnHandle, EventLoop, Handler};
use evio_sys::net::{ListenOptions, Listener};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::runtime::Builder;
use tokio::sync;

use crate::board::Board;

/// Notes that tokio's bounded channel holds: as many as evio's mailbox.
const CAPACITY: usize = 65_536;

/// One way to send a note.
pub(crate) struct Lane {
    pub(crate) name: &'static str,
    pub(crate) board: &'static Board,
    /// Whether as many notes as are taken say anything: a floor makes a system call for each.
    pub(crate) merges: bool,
    send: Box<dyn Fn(u64) -> bool + Send + Sync>,
}

impl Lane {
    /// Sends a note with the time it is sent at, or with zero. Returns whether it was taken.
    pub(crate) fn send(&self, sent_at: u64) -> bool {
        (self.send)(sent_at)
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Starts all consumers. They run until the process ends.
pub(crate) fn start() -> io::Result<[Lane; 5]> {
    Ok([tokio_bounded()?, tokio_unbounded()?, evio_wake()?, evio_post()?, floor()?])
}

/// Receives from tokio's channel of fixed size. The runtime waits for sockets too, as it does in a
/// server.
fn tokio_bounded() -> io::Result<Lane> {
    let board = Board::leaked();
    let (sender, mut receiver) = sync::mpsc::channel(CAPACITY);
    let runtime = Builder::new_current_thread().enable_io().build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            while let Some(sent_at) = receiver.recv().await {
                board.arrive(sent_at);
            }
        });
    });
    let send = Box::new(move |sent_at| sender.try_send(sent_at).is_ok());
    Ok(Lane { name: "tokio bounded", board, merges: true, send })
}

/// The same with the channel that grows.
fn tokio_unbounded() -> io::Result<Lane> {
    let board = Board::leaked();
    let (sender, mut receiver) = sync::mpsc::unbounded_channel();
    let runtime = Builder::new_current_thread().enable_io().build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            while let Some(sent_at) = receiver.recv().await {
                board.arrive(sent_at);
            }
        });
    });
    let send = Box::new(move |sent_at| sender.send(sent_at).is_ok());
    Ok(Lane { name: "tokio unbounded", board, merges: true, send })
}

/// Wakes a connection, whose callback looks for the rest of the note.
fn evio_wake() -> io::Result<Lane> {
    let board = Board::leaked();
    let (handles, handle) = mpsc::channel();
    let (event_loop, address) = listening_loop()?;
    let consumer = Woken { board, handles };
    thread::spawn(move || event_loop.run(consumer));
    let peer = TcpStream::connect(address)?;
    let handle = handle.recv().map_err(io::Error::other)?;
    let send = Box::new(move |sent_at| {
        // The connection lives as long as its peer does.
        let _ = &peer;
        if sent_at != 0 {
            board.set_sent_at(sent_at);
        }
        handle.wake().is_ok()
    });
    Ok(Lane { name: "evio wake", board, merges: true, send })
}

/// Makes the loop run a closure that holds the note.
fn evio_post() -> io::Result<Lane> {
    let board = Board::leaked();
    let (handles, _handle) = mpsc::channel();
    let (event_loop, _) = listening_loop()?;
    let handle = event_loop.handle();
    let handler = Woken { board, handles };
    thread::spawn(move || event_loop.run(handler));
    let send = Box::new(move |sent_at| handle.post(move |_| board.arrive(sent_at)).is_ok());
    Ok(Lane { name: "evio post", board, merges: true, send })
}

/// Writes to an eventfd that a bare epoll waits for: the least that it takes to wake a thread that
/// waits for sockets too.
fn floor() -> io::Result<Lane> {
    let board = Board::leaked();
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let eventfd = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    epoll.add(&eventfd, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 0))?;
    thread::spawn(move || {
        let mut events = [EpollEvent::empty()];
        while epoll.wait(&mut events, EpollTimeout::NONE).is_ok() {
            board.arrive(board.take_sent_at());
        }
    });
    let send = Box::new(move |sent_at| {
        board.set_sent_at(sent_at);
        eventfd.write(1).is_ok()
    });
    Ok(Lane { name: "floor", board, merges: false, send })
}

fn listening_loop() -> io::Result<(EventLoop, SocketAddr)> {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = Listener::tcp(anywhere, &ListenOptions::default())?;
    let address = listener.local_addr()?.as_inet().expect("a TCP listener has an inet address");
    let mut event_loop = EventLoop::new(Config::default())?;
    event_loop.listen(0, listener)?;
    Ok((event_loop, address))
}

/// Counts the wakes of a connection.
struct Woken {
    board: &'static Board,
    handles: mpsc::Sender<ConnHandle>,
}

impl Handler for Woken {
    type Context = ();

    fn context(&mut self, conn: &Conn<'_>) {
        // Nobody waits for it when the process ends.
        let _ = self.handles.send(conn.handle());
    }

    fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
        Action::None
    }

    fn woken(&mut self, _: &mut Conn<'_>, _: &mut ()) -> Action {
        self.board.arrive(self.board.take_sent_at());
        Action::None
    }
}
