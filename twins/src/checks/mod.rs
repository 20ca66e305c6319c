//! What must be true of every server: each check is a function that starts a program and says what
//! is wrong with it.

mod descriptors;
mod ending;
mod messages;
mod output;
mod parsing;
mod ticks;

use std::thread;
use std::time::Duration;

use crate::server::Server;
use crate::verdict::Verdict;

pub use descriptors::outlives_its_descriptor_limit;
pub use ending::{closes_once, frees_descriptors};
pub use messages::{answers_every_message, ignores_stale_handles};
pub use output::{bounds_its_memory, keeps_output, keeps_output_on_wake, waits_for_slow_peers};
pub use parsing::parses_in_linear_time;
pub use ticks::ticks_on_time;

/// How long a server that has nothing to do is watched.
const WATCHED: Duration = Duration::from_secs(1);

/// How much processor time it may use meanwhile: two parts of a hundred. One that spins uses all
/// that others leave to it.
const IDLE: Duration = Duration::from_millis(20);

/// Checks that a server which waits for something does not spin.
fn is_idle(server: &Server) -> Verdict {
    let before = server.cpu_time()?;
    // The window that is measured.
    thread::sleep(WATCHED);
    let used = server.cpu_time()? - before;
    if used > IDLE {
        return Err(format!("the server was busy for {used:?} of {WATCHED:?}").into());
    }
    Ok(())
}
