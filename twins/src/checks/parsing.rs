//! Messages that arrive in many pieces.

use crate::program::Program;
use crate::server::Server;
use crate::verdict::Verdict;

/// Of each piece: more than it costs to receive one is what it costs to look through many.
const PIECE: usize = 8 << 10;

/// Pieces after which the work is measured for the first time.
const PIECES: usize = 25;

/// How many times as many pieces there are when it is measured again.
const FACTOR: usize = 8;

/// The work grows by the factor, or by its square where each piece costs what all before it cost;
/// or by less, since a piece costs something as such. Twice the factor leaves room on both sides.
const MAX_GROWTH: f64 = 2.0 * FACTOR as f64;

/// Measurements of which the best counts.
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
        if best <= MAX_GROWTH {
            return Ok(());
        }
    }
    Err(format!("{FACTOR} times the input costs {best:.1} times as much").into())
}

/// Returns how many times as much work the server has done for the longer message.
fn growth(server: &Server) -> Verdict<f64> {
    let (client, other) = (server.connect()?, server.connect()?);
    other.send(b"\n")?;
    other.receive(2)?;
    let begin = server.cpu_time()?;
    let feed = |pieces| -> Verdict<f64> {
        for _ in 0..pieces {
            client.send(&[b'x'; PIECE])?;
            // The answer shows that the piece has been read, and not together with the next one.
            other.send(b"\n")?;
            other.receive(2)?;
        }
        Ok((server.cpu_time()? - begin).as_secs_f64())
    };
    let (short, long) = (feed(PIECES)?, feed(PIECES * (FACTOR - 1))?);
    client.send(b"\n")?;
    let answer = format!("{}\n", PIECES * FACTOR * PIECE);
    if client.receive(answer.len())? != answer.as_bytes() {
        return Err("the length of the line is wrong".into());
    }
    Ok(long / short)
}
