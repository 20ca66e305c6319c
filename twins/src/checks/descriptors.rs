//! Running out of descriptors.

use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::program::Program;
use crate::server::Server;
use crate::verdict::Verdict;

use super::is_idle;

/// What the server may have open: enough to start, and for a few connections.
const DESCRIPTORS: usize = 20;

/// More than it has descriptors for.
const CLIENTS: usize = 2 * DESCRIPTORS;

/// How long the server may take to accept what it has descriptors for.
const DEADLINE: Duration = Duration::from_secs(20);

/// Checks that a server which cannot accept serves those it has, without spinning, and the others
/// when descriptors are free again.
///
/// # Errors
///
/// Says what it does instead.
pub fn outlives_its_descriptor_limit(program: &Program) -> Verdict {
    let server = program.with_descriptors(DESCRIPTORS).start()?;
    serve_more_than_there_is_room_for(&server).map_err(|error| {
        format!("the server does not outlive its descriptor limit: {error}").into()
    })
}

fn serve_more_than_there_is_room_for(server: &Server) -> Verdict {
    let clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect()).collect::<Result<_, _>>()?;
    reach_limit(server)?;
    is_idle(server)?;
    // Whom there was no room for waits, or has been turned away; each that goes makes room.
    let mut served = clients;
    served.truncate(server.reports().iter().filter(|line| line.starts_with("opened")).count());
    for _ in 0..served.len() {
        drop(served.remove(0));
        let client = server.connect()?;
        client.echo(b"served instead")?;
        served.push(client);
    }
    if served.is_empty() { Err("it serves nobody".into()) } else { Ok(()) }
}

/// Waits until the server has all the descriptors that it may have.
fn reach_limit(server: &Server) -> Verdict {
    let deadline = Instant::now() + DEADLINE;
    while Instant::now() < deadline {
        match server.descriptors()? {
            // Not even those that it was started with.
            0 => return Err("it has ended".into()),
            count if count >= DESCRIPTORS => return Ok(()),
            _ => thread::yield_now(),
        }
    }
    Err("it does not accept as many connections as it could".into())
}
