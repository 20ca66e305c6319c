//! How many connections there may be.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How many connections there may be, and which loops wait for one to end.
#[derive(Debug)]
pub(crate) struct Rooms {
    /// For the connections of all addresses that have no room of their own.
    common: Room,
    /// By the index of the address.
    own: Box<[Option<Room>]>,
    /// True if listeners of some loop wait for a connection to end; `waiting` says of which.
    is_waiting: AtomicBool,
    waiting: Box<[AtomicBool]>,
}

/// How many connections there may be in one room, and how many there are if that is limited.
#[derive(Debug)]
struct Room {
    max_connections: usize,
    admitted: AtomicUsize,
}

impl Room {
    fn new(max_connections: usize) -> Self {
        Self { max_connections, admitted: AtomicUsize::new(0) }
    }

    fn is_limited(&self) -> bool {
        self.max_connections < usize::MAX
    }
}

impl Rooms {
    /// Makes a room for as many connections, and one for each address that has a number of its own.
    pub(crate) fn new(max_connections: usize, own: &[Option<usize>], loops: usize) -> Self {
        Self {
            common: Room::new(max_connections),
            own: own.iter().map(|max_connections| max_connections.map(Room::new)).collect(),
            is_waiting: AtomicBool::new(false),
            waiting: (0..loops).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    fn of(&self, address_index: u16) -> &Room {
        let own = self.own.get(usize::from(address_index));
        own.and_then(Option::as_ref).unwrap_or(&self.common)
    }

    /// Makes room for one more connection by an address, and returns whether there is any.
    pub(crate) fn admit(&self, address_index: u16) -> bool {
        let room = self.of(address_index);
        let one_more = |admitted| (admitted < room.max_connections).then_some(admitted + 1);
        !room.is_limited()
            || room.admitted.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
    }

    /// Takes back an [`admit`](Self::admit) that no connection came of, or whose connection has
    /// ended, and returns whether there was no room but this: somebody else may have been refused
    /// meanwhile.
    pub(crate) fn withdraw(&self, address_index: u16) -> bool {
        let room = self.of(address_index);
        room.is_limited() && room.admitted.fetch_sub(1, Ordering::SeqCst) == room.max_connections
    }

    /// Notes that a listener of a loop waits for a connection to end, and returns whether there is
    /// room already. The order matters: the loop in which a connection ends makes the room first,
    /// then looks for those that wait.
    pub(crate) fn wait(&self, loop_id: usize, address_index: u16) -> bool {
        self.waiting[loop_id].store(true, Ordering::SeqCst);
        self.is_waiting.store(true, Ordering::SeqCst);
        let room = self.of(address_index);
        room.admitted.load(Ordering::SeqCst) < room.max_connections
    }

    /// Calls `wake` with each loop that waits for a connection to end, once.
    pub(crate) fn take_waiting(&self, wake: impl FnMut(usize)) {
        if self.is_waiting.load(Ordering::SeqCst) && self.is_waiting.swap(false, Ordering::SeqCst) {
            let waits = |&loop_id: &usize| self.waiting[loop_id].swap(false, Ordering::SeqCst);
            (0..self.waiting.len()).filter(waits).for_each(wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Rooms {
        pub(crate) fn unlimited(loops: usize) -> Self {
            Self::new(usize::MAX, &[], loops)
        }
    }

    #[test]
    fn no_more_are_admitted_than_may_be() {
        let rooms = Rooms::new(2, &[], 3);
        assert!(rooms.admit(0) && rooms.admit(1));
        assert!(!rooms.admit(0));
        assert!(!rooms.wait(2, 0));
        rooms.withdraw(1);
        let woken = || {
            let mut woken = Vec::new();
            rooms.take_waiting(|loop_id| woken.push(loop_id));
            woken
        };
        assert_eq!((woken(), woken()), (vec![2], vec![]), "once, and only the loop that waits");
        assert!(rooms.wait(0, 0), "one has ended since");
        assert!(rooms.admit(0));
        assert!(rooms.withdraw(0), "nobody else could have had it");
        assert!(!rooms.withdraw(0) && rooms.admit(0));
        assert!(rooms.admit(0) && !rooms.admit(0));
    }

    #[test]
    fn an_address_with_a_number_of_its_own_takes_no_room_from_the_others() {
        let rooms = Rooms::new(1, &[None, Some(2)], 1);
        assert!(rooms.admit(0) && !rooms.admit(0) && !rooms.admit(2));
        assert!(rooms.admit(1) && rooms.admit(1) && !rooms.admit(1));
        assert!(!rooms.wait(0, 1));
        rooms.withdraw(0);
        assert!(!rooms.wait(0, 1) && rooms.wait(0, 2));
        rooms.withdraw(1);
        assert!(rooms.wait(0, 1));
    }
}
