//! Connections to one of several addresses, such as those that a name stands for.
//!
//! [`Dials`](dials::Dials) owns which addresses are left, which attempts are under way and why
//! others have failed. The folder makes no socket and knows no handler: it says which address is
//! next.

pub(crate) mod dial_error;
pub(crate) mod dials;
pub(crate) mod state;
