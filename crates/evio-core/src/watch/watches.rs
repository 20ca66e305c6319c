//! The descriptors that one loop watches for the program.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use evio_sys::{Interest, Poller};

use crate::types::event_target::{EventTarget, SLOT_MASK};
use crate::types::origin::Tag;

/// The descriptors that one loop watches for the program. They are closed with it.
#[derive(Debug)]
pub(crate) struct Watches {
    /// By the part of the number that a token has room for.
    watches: BTreeMap<u32, Watch>,
    /// Counts all that there were, so an id names one of them for ever. An event is carried out in
    /// the turn that it was reported in, in which no part of a number can come back.
    last_number: u64,
    limit: usize,
}

/// A watched descriptor.
#[derive(Debug)]
pub(crate) struct Watch {
    number: u64,
    fd: OwnedFd,
    tag: Tag,
}

impl Watch {
    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    pub(crate) fn tag(&self) -> Tag {
        self.tag
    }
}

impl Watches {
    /// `limit` is how many there may be at once.
    pub(crate) fn new(limit: usize) -> Self {
        // A number must be free when all the others are taken.
        Self { watches: BTreeMap::new(), last_number: 0, limit: limit.min(SLOT_MASK as usize) }
    }

    /// Begins to watch `fd`, and returns its number.
    ///
    /// # Errors
    ///
    /// Fails when there are as many as there may be, and when it cannot be polled.
    pub(crate) fn add(
        &mut self,
        fd: OwnedFd,
        interest: Interest,
        tag: Tag,
        poller: &Poller,
    ) -> io::Result<u64> {
        if self.watches.len() >= self.limit {
            let error = "the loop watches as many descriptors as `max_watches` allows";
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, error));
        }
        self.last_number += 1;
        while self.watches.contains_key(&slot_of(self.last_number)) {
            self.last_number += 1;
        }
        let number = self.last_number;
        poller.register(&fd, token_of(number), interest)?;
        self.watches.insert(slot_of(number), Watch { number, fd, tag });
        Ok(number)
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Watch> {
        self.watches.get(&slot_of(number)).filter(|watch| watch.number == number)
    }

    /// Returns the number of the descriptor that an event is about, unless it has ended.
    pub(crate) fn find(&self, slot: u32) -> Option<u64> {
        self.watches.get(&slot).map(|watch| watch.number)
    }

    /// Changes what a descriptor is watched for.
    pub(crate) fn rearm(&self, number: u64, interest: Interest, poller: &Poller) -> io::Result<()> {
        let watch = self.get(number).ok_or(io::ErrorKind::NotFound)?;
        poller.reregister(&watch.fd, token_of(number), interest)
    }

    /// Ends watching a descriptor, and gives it back.
    pub(crate) fn remove(&mut self, number: u64, poller: &Poller) -> Option<OwnedFd> {
        self.get(number)?;
        let watch = self.watches.remove(&slot_of(number))?;
        // Explicit, since a copy of the descriptor would keep it polled. It fails only if the
        // system has forgotten it already.
        let _ = poller.deregister(&watch.fd);
        Some(watch.fd)
    }
}

fn slot_of(number: u64) -> u32 {
    number as u32 & SLOT_MASK
}

fn token_of(number: u64) -> evio_sys::Token {
    EventTarget::Watch(slot_of(number)).token()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn add(watches: &mut Watches, poller: &Poller) -> io::Result<u64> {
        let (stream, _) = UnixStream::pair().unwrap();
        watches.add(stream.into(), Interest::READABLE, Tag::default(), poller)
    }

    #[test]
    fn a_number_is_not_used_again_and_part_of_it_not_while_it_is_in_use() {
        let (mut watches, poller) = (Watches::new(8), Poller::new().unwrap());
        let first = add(&mut watches, &poller).unwrap();
        let second = add(&mut watches, &poller).unwrap();
        assert!(watches.remove(first, &poller).is_some());
        let third = add(&mut watches, &poller).unwrap();
        assert!(third != first && watches.get(first).is_none());
        assert!(watches.remove(first, &poller).is_none());

        // As if many had come and gone: the next would be taken for the second.
        watches.last_number = second + u64::from(SLOT_MASK);
        let later = add(&mut watches, &poller).unwrap();
        assert_eq!(later, second + u64::from(SLOT_MASK) + 3, "past the second and the third");
        for number in [second, third, later] {
            assert_eq!(watches.find(slot_of(number)), Some(number));
        }
        assert!(watches.get(second + u64::from(SLOT_MASK) + 1).is_none());
    }

    #[test]
    fn there_are_no_more_than_the_limit() {
        let (mut watches, poller) = (Watches::new(2), Poller::new().unwrap());
        let first = add(&mut watches, &poller).unwrap();
        add(&mut watches, &poller).unwrap();
        assert_eq!(add(&mut watches, &poller).unwrap_err().kind(), io::ErrorKind::QuotaExceeded);
        watches.remove(first, &poller).unwrap();
        add(&mut watches, &poller).unwrap();
    }
}
