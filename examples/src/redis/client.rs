//! What the server knows about one connection.

/// A connection as its commands see it: a number, and a name if the client gave one.
#[derive(Debug, Default)]
pub struct Client {
    id: u64,
    name: Box<[u8]>,
}

impl Client {
    /// The longest name a client may give its connection.
    ///
    /// Redis has no such limit; here a name must not be a way to fill the memory.
    pub const MAX_NAME_LEN: usize = 256;

    /// Creates a client with the number that `CLIENT ID` tells; it should be unique.
    pub fn new(id: u64) -> Self {
        Self { id, name: Box::default() }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(super) fn set_name(&mut self, name: &[u8]) {
        self.name = name.into();
    }
}
