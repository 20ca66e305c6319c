//! What a noisy neighbour takes from the other clients of a server.
//!
//! A hundred paced clients send small requests on a schedule, whether or not the earlier ones are
//! answered, and one [`Neighbour`] at a time makes as much noise as it can. A server is fair when
//! the paced clients do not feel it. Each [`turn`] of a server has fresh connections; its figures
//! are in the [`Report`].
//!
//! One thread is both, on a core of its own. It looks after the paced clients after each few steps
//! of the neighbour, so that they wait for the server and hardly ever for the generator. It keeps
//! nothing but counts of what it has sent: memory does not grow with the noise.

mod broadcast;
mod churn;
mod clock;
mod datagrams;
mod dial;
mod drips;
mod flood;
mod neighbour;
mod paced;
mod protocol;
mod report;
mod stage;

pub use neighbour::Neighbour;
pub use protocol::Protocol;
pub use report::{Measured, Report, ServerReport, Turn};
pub use stage::{Plan, turn};
