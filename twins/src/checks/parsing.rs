//! Messages that arrive in many pieces.

use std::error::Error;

use crate::server::{Program, Server};

use super::Verdict;

/// Of each piece: more than it costs to receive one is what it costs to look through many.
const PIECE: usize = 4 << 10;

/// Pieces after which the work is measured for the first time; the second time is after twice as
/// many.
const PIECES: usize = 100;

/// Twice the input is twice the work, or four times, when each piece costs what all before it cost.
const MAX_RATIO: f64 = 3.0;

/// Measurements of which the best counts: what others do on the machine only adds to them.
const ATTEMPTS: usize = 3;

/// Checks that the work for a message is in proportion to its length, into however many pieces it
/// is cut.
///
/// # Errors
///
/// Says how the work has grown.
pub fn parses_in_linear_time(program: &Program) -> Verdict {
    let server = program.with(&["--lines"]).start()?;
    let mut best = f64::INFINITY;
    for _ in 0..ATTEMPTS {
        best = best.min(growth(&server)?);
        if best <= MAX_RATIO {
            return Ok(());
        }
    }
    Err(format!("twice the input costs {best:.1} times as much").into())
}

/// Returns how many times as much work the server has done after twice the input.
fn growth(server: &Server) -> Result<f64, Box<dyn Error>> {
    let (client, other) = (server.connect()?, server.connect()?);
    let begin = server.cpu_time()?;
    let feed = || -> Result<f64, Box<dyn Error>> {
        for _ in 0..PIECES {
            client.send(&[b'x'; PIECE])?;
            // The answer shows that the piece has been read, and not together with the next one.
            other.send(b"\n")?;
            other.receive(2)?;
        }
        Ok((server.cpu_time()? - begin).as_secs_f64())
    };
    let (once, twice) = (feed()?, feed()?);
    client.send(b"\n")?;
    let answer = format!("{}\n", 2 * PIECES * PIECE);
    if client.receive(answer.len())? != answer.as_bytes() {
        return Err("the length of the line is wrong".into());
    }
    Ok(twice / once)
}
