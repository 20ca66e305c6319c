//! The event loop: connections, buffers, timers and load balancing.
//!
//! This is the middle layer of evio. It takes sockets that are bound already, from
//! [`evio_sys::net`], and calls a [`Handler`] for everything that happens to them. It knows no
//! address strings and starts no threads; the `evio` crate above does both. It can be used alone:
//! see [`EventLoop`] and `examples/core_echo.rs`. The `evio` crate exports nearly everything here,
//! so the examples name that crate; in a program that depends on this one alone, `evio` is
//! `evio_core`.
//!
//! A turn of the loop polls, calls back for what is ready, and then sends all output at once:
//!
//! ```text
//! Poller::poll ─► event ─┬► listener: accept, LoadBalance, open here or hand over
//!                        ├► waker: carry out messages of other threads
//!                        ├► UDP socket: receive, Handler::datagram
//!                        ├► descriptor of the program's own: Handler::ready
//!                        └► connection: receive, Handler::data, output is queued
//! flush  ─► Handler::pre_write, send, close and detach, poll for room where output is left
//! timers ─► tick, Handler::loop_timer, deadlines
//! ```

#![forbid(unsafe_code)]

mod accept;
mod api;
mod datagram;
mod dial;
mod input;
mod mail;
mod output;
mod table;
mod timer;
mod turn;
mod types;
mod watch;

pub use accept::load_balance::{LoadBalance, PlaceFn};
pub use api::config::{Config, PanicPolicy};
pub use api::conn::Conn;
pub use api::conn_handle::ConnHandle;
pub use api::conn_map::ConnMap;
pub use api::connect_options::ConnectOptions;
pub use api::detached::Detached;
pub use api::event_loop_access::Loop;
pub use api::handler::Handler;
pub use api::loop_handle::LoopHandle;
pub use api::messages::MessageSender;
pub use api::pending_addresses::PendingAddresses;
pub use api::rate_limit::RateLimit;
pub use api::reply::Reply;
pub use api::serving::Serving;
pub use api::udp::Udp;
pub use api::watched::Watched;
pub use dial::dial_error::{DialError, DialFailure, DialId};
pub use evio_sys::net::{self, Keepalive, SocketAddr, Stream};
pub use evio_sys::{BACKEND, Interest};
pub use input::frame::{FrameTooLong, LengthPrefix};
pub use input::stream::{InputStream, InputTooLong, Unread};
pub use mail::send_error::{SendError, Unsent};
pub use timer::loop_timer::{LoopTimer, TimerId, TooManyTimers};
pub use turn::event_loop::EventLoop;
pub use turn::running_loop::{Progress, RunningLoop};
pub use types::action::{Action, CloseReason, Timeout};
pub use types::conn_id::ConnId;
pub use types::conn_state::ConnState;
pub use types::limits::Limits;
pub use types::message_type::WrongMessageType;
pub use types::origin::{Origin, Tag};
pub use types::pause_reason::PauseReason;
pub use types::watch_id::WatchId;
