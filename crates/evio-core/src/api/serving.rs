//! The facts that a server tells its handler before it begins.

use evio_sys::net::SocketAddr;

/// The bound addresses and the number of loops, for [`Handler::serving`](crate::Handler::serving).
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
/// # use evio_core as evio;
/// use evio::Serving;
///
/// /// The `serving` callback of a server that says where it can be reached.
/// fn serving(serving: &Serving) -> ControlFlow<()> {
///     for (_, addr) in serving.local_addrs() {
///         println!("{addr} is served by {} loops", serving.loops());
///     }
///     ControlFlow::Continue(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Serving {
    pub(crate) local_addrs: Vec<(u16, SocketAddr)>,
    pub(crate) loops: usize,
}

impl Serving {
    /// Returns the bound addresses, each with the index of the address it was bound for: a host
    /// name can stand for several.
    #[must_use]
    pub fn local_addrs(&self) -> &[(u16, SocketAddr)] {
        &self.local_addrs
    }

    /// Returns how many loops the server runs.
    #[must_use]
    pub fn loops(&self) -> usize {
        self.loops
    }
}
