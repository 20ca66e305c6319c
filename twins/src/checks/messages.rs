//! Messages from other threads.

use std::time::Duration;

use crate::program::Program;
use crate::verdict::Verdict;

/// Messages that are sent one by one, each when the one before it has been answered.
const MESSAGES: usize = 100;

/// How long the answer to a message may take. A server that has slept through it never answers.
const ANSWER: Duration = Duration::from_secs(5);

/// Checks that no message is slept through, whenever it comes.
///
/// # Errors
///
/// Says which one was.
pub fn answers_every_message(program: &Program) -> Verdict {
    let mut server = program.start()?;
    let client = server.connect()?;
    server.reports_until("opened 1")?;
    for number in 0..MESSAGES {
        let message = format!("message {number:03}");
        server.command(&format!("send 1 {message}"))?;
        match client.receive_within(ANSWER, message.len()) {
            Ok(answer) if answer == message.as_bytes() => {}
            Ok(answer) => return Err(format!("{message}: {}", answer.escape_ascii()).into()),
            Err(error) => return Err(format!("{message} is not answered: {error}").into()),
        }
    }
    Ok(())
}

/// Checks that what is sent to a connection that has gone does not reach the one that has its
/// place.
///
/// # Errors
///
/// Says what it has got.
pub fn ignores_stale_handles(program: &Program) -> Verdict {
    let mut server = program.start()?;
    drop(server.connect()?);
    server.reports_until("closed 1")?;
    let client = server.connect()?;
    server.reports_until("opened 2")?;
    server.command("send 1 stale")?;
    server.command("send 2 fresh")?;
    match client.receive(5)?.as_slice() {
        b"fresh" => Ok(()),
        other => {
            Err(format!("the new connection gets {:?}", other.escape_ascii().to_string()).into())
        }
    }
}
