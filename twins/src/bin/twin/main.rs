//! A small server on the poller alone, with one bug planted, or none.

mod conn;
mod mailbox;
mod server;
mod ticker;

use std::io;
use std::sync::Arc;
use std::thread;

use clap::Parser;
use evio_sys::clock;
use evio_twins::Bug;
use evio_twins::protocol::{self, Options};

use server::Server;

#[derive(Parser)]
struct Arguments {
    /// The bug to plant
    #[arg(long, value_enum)]
    bug: Bug,
    #[command(flatten)]
    options: Options,
}

fn main() -> io::Result<()> {
    let begin = clock::now();
    let Arguments { bug, options } = Arguments::parse();
    let server = Server::bind(bug, options, begin)?;
    let mailbox = Arc::clone(server.mailbox());
    thread::spawn(move || {
        protocol::for_each_command(|command| {
            mailbox.post(command).expect("the waker works as long as the server runs");
        });
    });
    server.run()
}
