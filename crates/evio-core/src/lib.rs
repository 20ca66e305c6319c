//! The event loop: connections, buffers, timers and load balancing.
//!
//! This is the middle layer of evio. It takes sockets that are bound already, from
//! [`evio_sys::net`], and calls a [`Handler`] for everything that happens to them. It knows no
//! address strings and starts no threads; the `evio` crate above does both. It can be used alone:
//! see [`EventLoop`] and `examples/core_echo.rs`.
//!
//! A turn of the loop polls, calls back for what is ready, and then sends all output at once:
//!
//! ```text
//! Poller::poll ─► Source ─┬► listener: accept, LoadBalance, open here or hand over
//!                         ├► waker: carry out what other threads left in the mailbox
//!                         ├► UDP socket: receive, Handler::datagram
//!                         └► connection: receive, Handler::data, output is queued
//! flush  ─► Handler::pre_write, send, apply what was asked for, poll for what is left
//! timers ─► tick, deadlines
//! ```

#![forbid(unsafe_code)]

mod acceptor;
mod action;
mod cold_path;
mod commands;
mod config;
mod conn;
mod conn_handle;
mod conn_id;
mod conn_table;
mod deadlines;
mod detached;
mod entry;
mod event_loop;
mod group;
mod handler;
mod inbox;
mod input;
mod input_stream;
mod lifecycle;
mod load_balance;
mod loop_access;
mod loop_handle;
mod loop_state;
mod mailbox;
mod outbound;
mod output;
mod rest;
mod sending;
mod source;
mod tasks;
mod ticker;
mod timer;
mod turn;
mod turn_clock;
mod turn_output;
mod udp;

pub use action::{Action, CloseReason, Timeout};
pub use config::{Config, Limits, PanicPolicy};
pub use conn::Conn;
pub use conn_handle::ConnHandle;
pub use conn_id::ConnId;
pub use detached::Detached;
pub use event_loop::{EventLoop, Serving};
pub use evio_sys::net::{Keepalive, SocketAddr, Stream};
pub use handler::Handler;
pub use input_stream::{InputStream, InputTooLong, Unread};
pub use load_balance::{LoadBalance, PlaceFn};
pub use loop_access::Loop;
pub use loop_handle::LoopHandle;
pub use mailbox::SendError;
pub use outbound::{Origin, Tag};
pub use udp::Udp;
