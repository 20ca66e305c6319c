//! Output that its peer is slow to take.

use crate::client::Client;
use crate::program::Program;
use crate::protocol::WOKEN;
use crate::server::Server;
use crate::verdict::Verdict;

use super::is_idle;

/// More than the kernel has room for on both sides of a connection, by far.
const TOO_MUCH: usize = 64 << 20;

/// How much a server may hold on account of one peer that does not read. Its own limit is below a
/// megabyte; the rest is what an allocator may keep.
const MAX_HELD: u64 = 16 << 20;

/// Checks that all output arrives, although the socket takes it in parts.
///
/// # Errors
///
/// Says what was lost.
pub fn keeps_output(program: &Program) -> Verdict {
    let server = program.start()?;
    let (client, sent) = stall(&server)?;
    client.finish_sending()?;
    compare(&client.receive_to_end()?, &sent)
}

/// Checks that a wake adds to the output that is waiting.
///
/// # Errors
///
/// Says what was lost.
pub fn keeps_output_on_wake(program: &Program) -> Verdict {
    let mut server = program.start()?;
    let (client, sent) = stall(&server)?;
    server.command("wake 1")?;
    server.reports_until("woken 1")?;
    client.finish_sending()?;
    let mut seen = client.receive_to_end()?;
    // It is somewhere in the middle: the kernel has input that is read after the wake.
    let at = seen.windows(WOKEN.len()).position(|window| window == WOKEN);
    let at = at.ok_or("the output of the wake is lost")?;
    seen.drain(at..at + WOKEN.len());
    compare(&seen, &sent)
}

/// Checks that a peer that does not read is not read from without end.
///
/// # Errors
///
/// Says how much memory the server has taken.
pub fn bounds_its_memory(program: &Program) -> Verdict {
    let server = program.start()?;
    let client = server.connect()?;
    client.echo(b"!")?;
    let before = server.memory()?;
    let sent = client.send_until_stalled(&payload())?;
    let held = server.memory()?.saturating_sub(before);
    if held > MAX_HELD {
        return Err(format!("the server holds {held} bytes of {sent}").into());
    }
    Ok(())
}

/// Checks that a server which waits for a peer to read does nothing meanwhile.
///
/// # Errors
///
/// Says how busy it was.
pub fn waits_for_slow_peers(program: &Program) -> Verdict {
    let server = program.start()?;
    let _stalled = stall(&server)?;
    is_idle(&server)
}

/// Fills a connection in both directions, and returns what it took.
fn stall(server: &Server) -> Verdict<(Client, Vec<u8>)> {
    let client = server.connect()?;
    client.echo(b"!")?;
    let mut bytes = payload();
    let sent = client.send_until_stalled(&bytes)?;
    if sent == bytes.len() {
        return Err("the connection did not stall".into());
    }
    bytes.truncate(sent);
    Ok((client, bytes))
}

/// Bytes in which a lost, doubled or moved one shows: they repeat at a distance, a prime number,
/// that no buffer has the size of.
fn payload() -> Vec<u8> {
    const PERIOD: usize = 65_521;
    let words = (0..(PERIOD as u64).div_ceil(8)).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    bytes.truncate(PERIOD);
    bytes.repeat(TOO_MUCH / PERIOD)
}

fn compare(seen: &[u8], expected: &[u8]) -> Verdict {
    if seen == expected {
        return Ok(());
    }
    let same = seen.iter().zip(expected).take_while(|(seen, expected)| seen == expected).count();
    let (seen, expected) = (seen.len(), expected.len());
    Err(format!("{seen} bytes of {expected} came back, the first {same} as they were sent").into())
}
