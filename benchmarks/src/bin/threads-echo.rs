//! An echo as std alone makes it: one thread per connection, blocking reads and writes.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use clap::Parser;
use evio_benchmarks::server::{Args, READ_BUFFER, announce};

fn main() -> io::Result<()> {
    let listener = TcpListener::bind(Args::parse().address())?;
    announce(listener.local_addr())?;
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || {
            // A connection that fails is over; the others go on.
            let _ = echo(stream);
        });
    }
    Ok(())
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..length])?;
    }
}
