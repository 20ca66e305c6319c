//! Measures what an idle connection adds to a server's resident memory, and reports it in JSON:
//! bytes per connection that never spoke, after a small exchange, and after a large one.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use evio_benchmarks::memory;
use evio_benchmarks::payload::Payload;
use serde::Serialize;

/// Measures what an idle connection adds to an echo server's resident memory
#[derive(Debug, Parser)]
struct Args {
    /// Where the server listens
    address: SocketAddr,
    /// The server's process
    pid: u32,
    /// Connections to open
    #[arg(long, default_value_t = 9000, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
}

/// Bytes of resident memory per connection.
#[derive(Debug, Serialize)]
struct Report {
    /// That never spoke.
    silent: f64,
    /// After an exchange of [`SMALL`] bytes.
    small: f64,
    /// After one of [`LARGE`] bytes as well.
    large: f64,
}

/// A small request.
const SMALL: u64 = 64;

/// More than any server here keeps a buffer of for each connection from the start.
const LARGE: u64 = 16 << 10;

/// Connections that are dealt with at once: fewer than any server's queue of those that wait to be
/// accepted holds.
const CHUNK: usize = 64;

/// How long a server may take to answer anything.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match measure(&Args::parse()) {
        Ok(report) => {
            println!("{}", serde_json::json!(report));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("connection-memory: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> Result<Report, Box<dyn Error>> {
    // Any bytes do: here the answer is checked only so that it is whole.
    let payload = Payload::new(1);
    // What a server sets up for its first connection is not part of each of them.
    let mut probe = connect(args.address)?;
    exchange(std::slice::from_mut(&mut probe), &payload, LARGE)?;

    let before = memory::of_process(args.pid)?;
    let per_connection = || -> Result<f64, Box<dyn Error>> {
        let now = memory::of_process(args.pid)?;
        Ok((now as f64 - before as f64) / f64::from(args.connections))
    };
    let mut streams = Vec::new();
    while streams.len() < args.connections as usize {
        let left = args.connections as usize - streams.len();
        for _ in 0..left.min(CHUNK) {
            streams.push(connect(args.address)?);
        }
        // Connections are accepted in order: when this one is answered, all others have been, and
        // there is room for more of them.
        exchange(&mut [connect(args.address)?], &payload, SMALL)?;
    }
    let silent = per_connection()?;
    exchange(&mut streams, &payload, SMALL)?;
    let small = per_connection()?;
    exchange(&mut streams, &payload, LARGE)?;
    Ok(Report { silent, small, large: per_connection()? })
}

fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends the same on all `streams` and receives it back.
fn exchange(streams: &mut [TcpStream], payload: &Payload, size: u64) -> Result<(), Box<dyn Error>> {
    let sent = payload.slice(0, 0, size);
    let mut came = vec![0; sent.len()];
    for chunk in streams.chunks_mut(CHUNK) {
        for stream in &mut *chunk {
            stream.write_all(sent)?;
        }
        for stream in chunk {
            stream.read_exact(&mut came)?;
            if came != sent {
                return Err("the server sent back something else".into());
            }
        }
    }
    Ok(())
}
