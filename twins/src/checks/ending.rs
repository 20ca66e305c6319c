//! How connections end.

use crate::program::Program;
use crate::server::Server;
use crate::verdict::Verdict;

/// Connections that end while the server goes on.
const ENDED: usize = 4;

/// Checks that every connection that was opened is closed, once, however it ends.
///
/// # Errors
///
/// Says which one is not.
pub fn closes_once(program: &Program) -> Verdict {
    let server = program.start()?;
    let mut reports = end_in_every_way(&server, 1)?;
    let left = server.connect()?;
    left.echo(b"up to the end")?;
    drop(left);
    reports.extend(server.quit()?);
    for number in 1..=ENDED + 1 {
        for callback in ["opened", "closed"] {
            let wanted = format!("{callback} {number}");
            match reports.iter().filter(|&report| *report == wanted).count() {
                1 => {}
                count => return Err(format!("{wanted:?} is reported {count} times").into()),
            }
        }
    }
    Ok(())
}

/// Checks that a connection's descriptor does not outlive it.
///
/// # Errors
///
/// Says how many are left.
pub fn frees_descriptors(program: &Program) -> Verdict {
    let server = program.start()?;
    let other = server.connect()?;
    other.echo(b"the server is complete")?;
    let before = server.descriptors()?;
    end_in_every_way(&server, 2)?;
    // The descriptor is freed in the turn of the report, and this is answered in a later one.
    other.echo(b"another turn")?;
    match server.descriptors()?.saturating_sub(before) {
        0 => Ok(()),
        left => Err(format!("{left} descriptors are left of {ENDED} connections").into()),
    }
}

/// Has connections end, each in its way, and returns the reports up to the last one's end. The
/// next connection to open is number `first`.
fn end_in_every_way(server: &Server, first: usize) -> Verdict<Vec<String>> {
    let mut reports = Vec::new();
    for way in 0..ENDED {
        let client = server.connect()?;
        client.echo(b"hello")?;
        match way {
            0 => drop(client),
            1 => client.reset()?,
            2 => client.finish_sending()?,
            _ => {
                // The echo is on its way to somebody who has gone.
                client.send(b"goodbye")?;
                client.reset()?;
            }
        }
        reports.extend(server.reports_until(&format!("closed {}", first + way))?);
    }
    Ok(reports)
}
