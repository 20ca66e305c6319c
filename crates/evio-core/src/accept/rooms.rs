//! How many connections there may be.

#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

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
    /// then looks for those that wait. Both change the number, so one of them comes after the other
    /// and sees what that has done before.
    pub(crate) fn wait(&self, loop_id: usize, address_index: u16) -> bool {
        self.waiting[loop_id].store(true, Ordering::SeqCst);
        self.is_waiting.store(true, Ordering::SeqCst);
        let room = self.of(address_index);
        room.admitted.fetch_add(0, Ordering::SeqCst) < room.max_connections
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
impl Rooms {
    pub(crate) fn unlimited(loops: usize) -> Self {
        Self::new(usize::MAX, &[], loops)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

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

/// `RUSTFLAGS="--cfg loom" cargo test -p evio-core --lib rooms` goes through every interleaving of
/// loops in which connections begin and end.
#[cfg(all(test, loom))]
mod interleavings {
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::thread;

    use super::*;

    /// A loop that finds no room while the last connection ends on another one.
    fn check(notes_that_it_waits_first: bool) {
        loom::model(move || {
            let (rooms, woken) = (Arc::new(Rooms::new(1, &[], 2)), Arc::new(AtomicUsize::new(0)));
            assert!(rooms.admit(0));
            let ending = {
                let (rooms, woken) = (Arc::clone(&rooms), Arc::clone(&woken));
                thread::spawn(move || {
                    rooms.withdraw(0);
                    rooms.take_waiting(|_| drop(woken.fetch_add(1, Ordering::SeqCst)));
                })
            };
            let mut has_room = rooms.admit(0);
            if !has_room {
                let is_there = rooms.wait(1, 0);
                has_room = notes_that_it_waits_first && is_there;
            }
            ending.join().unwrap();
            let is_woken = woken.load(Ordering::SeqCst) > 0;
            assert!(has_room || is_woken, "the listener waits for ever");
        });
    }

    #[test]
    fn a_listener_that_waits_for_room_is_woken_or_finds_some() {
        check(true);
    }

    /// The model can tell a loop that looks again, once it has said that it waits.
    #[test]
    #[should_panic(expected = "waits for ever")]
    fn waiting_without_another_look_is_for_ever() {
        check(false);
    }

    #[test]
    fn two_loops_do_not_admit_more_than_may_be() {
        loom::model(|| {
            let rooms = Arc::new(Rooms::new(1, &[None, Some(1)], 2));
            let other = Arc::clone(&rooms);
            let other = thread::spawn(move || [other.admit(0), other.admit(1)]);
            let ours = [rooms.admit(0), rooms.admit(1)];
            let theirs = other.join().unwrap();
            for index in 0..2 {
                assert!(ours[index] ^ theirs[index], "one of them is admitted");
                assert!(rooms.withdraw(index as u16), "it was the last room");
            }
        });
    }
}
