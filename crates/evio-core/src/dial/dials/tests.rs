use super::*;
use crate::dial::state::ATTEMPT_DELAY;
use crate::types::conn_id::ConnKey;

const SECOND: Duration = Duration::from_secs(1);

fn address(last: u8) -> SocketAddr {
    ([192, 0, 2, last], 7).into()
}

fn key(index: u32) -> ConnKey {
    ConnKey { index, generation: 1 }
}

fn refused() -> io::Error {
    io::ErrorKind::ConnectionRefused.into()
}

struct Fixture {
    dials: Dials,
    number: u64,
    start: Instant,
}

/// A dial of addresses with these last bytes, which has a second.
fn dial(addresses: &[u8]) -> Fixture {
    let start = evio_sys::clock::now();
    let mut dials = Dials::new(3, 2);
    let id = dials.begin("a.test:7".to_owned(), Tag::from(9), None, SECOND, start);
    let DialId { loop_id, number } = id.unwrap();
    assert_eq!(loop_id, 3);
    dials.give(number, Ok(addresses.iter().copied().map(address).collect()));
    Fixture { dials, number, start }
}

impl Fixture {
    /// Begins the attempts that are due, and returns the last bytes of their addresses.
    fn tries(&mut self, after: Duration) -> Vec<u8> {
        let now = self.start + after;
        self.dials.expire(self.number, now);
        let mut tried = Vec::new();
        while let Some(SocketAddr::V4(address)) = self.dials.next_address(self.number, now) {
            let last = address.ip().octets()[3];
            self.dials.note_attempt(self.number, key(last.into()), address.into(), now);
            tried.push(last);
        }
        tried
    }

    fn looks_after(&self, after: Duration) -> Duration {
        let now = self.start + after;
        self.dials.get(self.number).unwrap().next_look(now) - self.start
    }

    fn fails(&mut self, last: u32, after: Duration) -> bool {
        self.dials.note_end(self.number, key(last), refused(), self.start + after)
    }

    fn error(&mut self) -> Option<String> {
        self.dials.take_failed(self.number).map(|(_, error)| error.to_string())
    }
}

#[test]
fn the_next_address_is_tried_when_the_last_has_had_its_time_or_has_failed() {
    let mut it = dial(&[1, 2, 3]);
    assert_eq!(it.tries(Duration::ZERO), [1]);
    assert_eq!(it.looks_after(Duration::ZERO), ATTEMPT_DELAY);
    assert_eq!(it.tries(ATTEMPT_DELAY / 2), []);
    assert_eq!(it.tries(ATTEMPT_DELAY), [2]);
    assert_eq!(it.looks_after(ATTEMPT_DELAY), 2 * ATTEMPT_DELAY);
    assert!(it.fails(1, ATTEMPT_DELAY));
    assert_eq!(it.tries(ATTEMPT_DELAY), [3], "though another one is under way");
    assert!(it.fails(2, ATTEMPT_DELAY));
    assert_eq!(it.tries(ATTEMPT_DELAY), []);
    assert_eq!(it.looks_after(ATTEMPT_DELAY), SECOND, "nothing is left but to wait");
    assert!(it.error().is_none());
    assert!(it.fails(3, ATTEMPT_DELAY));
    assert!(!it.fails(3, ATTEMPT_DELAY));
    assert_eq!(it.tries(ATTEMPT_DELAY), []);
    assert_eq!(
        it.error().unwrap(),
        "cannot connect to a.test:7: 192.0.2.1:7: connection refused; \
         192.0.2.2:7: connection refused; 192.0.2.3:7: connection refused"
    );
    assert!(it.dials.numbers().is_empty());
}

#[test]
fn a_dial_has_one_deadline() {
    let mut it = dial(&[1, 2]);
    assert_eq!(it.tries(ATTEMPT_DELAY), [1]);
    assert_eq!(it.tries(SECOND), []);
    assert_eq!(it.looks_after(SECOND), SECOND, "at once");
    let (dial, error) = it.dials.take_failed(it.number).unwrap();
    assert_eq!(
        error.to_string(),
        "cannot connect to a.test:7: no answer within 1s: 192.0.2.1:7: no answer"
    );
    assert_eq!((error.tag(), error.id().number), (Tag::from(9), it.number));
    assert_eq!(dial.attempts().collect::<Vec<_>>(), [key(1)], "to be ended");

    let start = it.start;
    let late = it.dials.begin("b.test:7".to_owned(), Tag::default(), None, SECOND, start).unwrap();
    it.dials.expire(late.number, start + SECOND);
    it.dials.give(late.number, Ok(vec![address(1)]));
    let (_, error) = it.dials.take_failed(late.number).unwrap();
    assert_eq!(
        error.to_string(),
        "cannot connect to b.test:7: the name was not resolved within 1s"
    );
}

#[test]
fn a_name_without_addresses_says_why() {
    let mut it = dial(&[]);
    assert_eq!(it.error().unwrap(), "cannot connect to a.test:7: no address");
    let (number, now) = (it.dials.last_number + 1, it.start);
    it.dials.begin("b.test:7".to_owned(), Tag::default(), None, SECOND, now).unwrap();
    it.dials.give(number, Err(io::Error::other("no such name")));
    let (_, error) = it.dials.take_failed(number).unwrap();
    assert_eq!(error.to_string(), "cannot connect to b.test:7: no such name");
    it.dials.give(number, Ok(vec![address(1)]));
    assert!(it.dials.numbers().is_empty(), "it is over");
}

#[test]
fn there_is_a_limit_to_dials_and_to_their_addresses() {
    let all: Vec<u8> = (0..=255).collect();
    let mut it = dial(&all);
    let mut tried = 0;
    for step in 0..200 {
        let after = step * ATTEMPT_DELAY / 100;
        tried += it.tries(after).len();
        it.fails(step, after);
    }
    assert_eq!(tried, 32);
    let mut it = dial(&[1]);
    let now = it.start;
    let mut begin = || it.dials.begin("b.test:7".to_owned(), Tag::default(), None, SECOND, now);
    let second = begin().unwrap().number;
    assert_eq!(begin().unwrap_err().kind(), io::ErrorKind::QuotaExceeded);
    it.dials.remove(second);
    assert!(it.dials.begin("c.test:7".to_owned(), Tag::default(), None, SECOND, now).is_ok());
}

#[test]
fn who_resolves_a_name_knows_whether_the_dial_goes_on() {
    let mut it = dial(&[]);
    let wanted = it.dials.get_mut(it.number).unwrap().wanted();
    assert_eq!(wanted.strong_count(), 1);
    it.error().unwrap();
    assert_eq!(wanted.strong_count(), 0);
}
