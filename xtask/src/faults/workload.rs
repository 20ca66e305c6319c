//! What clients do with a server under test, one after the other, so that the number of a call says
//! which of them it is made for.

use super::client::{Client, Done, Trouble};
use super::protocol::Endpoint;
use super::random::Random;
use super::strace::Phase;

/// Enough, several times, to fill the server's socket and the client's: a loopback socket takes
/// 2.5 MB at once.
const LARGE: usize = 900_000;
const LARGE_REQUESTS: usize = 5;

/// The clients of one case, and what happened to them.
#[derive(Debug)]
pub(super) struct Clients<'a> {
    server: Endpoint,
    seed: u64,
    name: &'a str,
    count: u64,
    /// The connections that were lost, and how.
    pub(super) lost: Vec<String>,
    /// What no fault explains.
    pub(super) wrong: Vec<String>,
}

impl<'a> Clients<'a> {
    /// Begins with no client; the bytes of each follow from the seed, the name and its number.
    pub(super) fn new(server: Endpoint, seed: u64, name: &'a str) -> Self {
        Self { server, seed, name, count: 0, lost: Vec::new(), wrong: Vec::new() }
    }

    /// Does what a fault in this phase needs: before and after serving, one client shows enough.
    pub(super) fn run_for(&mut self, phase: Phase) {
        match phase {
            Phase::Serve => self.run_all_kinds(),
            Phase::Start | Phase::End => self.run_one(),
        }
    }

    /// Clients of all kinds: several at once, one that is slow, pipelines, half-closes, resets.
    fn run_all_kinds(&mut self) {
        let mut slow = self.connect();
        self.with(&mut slow, |client| client.exchange(100));
        let mut busy = self.connect();
        self.with(&mut busy, |client| client.exchange(3_000));
        self.with(&mut slow, |client| client.pipeline_slowly(LARGE_REQUESTS, LARGE));
        self.with(&mut busy, |client| client.pipeline(8, 500));

        let mut polite = self.connect();
        self.with(&mut polite, |client| client.last_exchange(20_000));
        if let Some(client) = self.connect() {
            self.note(client.reset());
        }
        // It is closed with neither a request nor a reply.
        drop(self.connect());
        self.with(&mut busy, |client| client.exchange(50_000));
        let mut rude = self.connect();
        self.with(&mut rude, |client| client.exchange(1));
        if let Some(client) = rude {
            self.note(client.reset_behind(10_000));
        }
        for _ in 0..2 {
            let mut short = self.connect();
            self.with(&mut short, |client| client.exchange(10));
            self.with(&mut short, Client::end);
        }
        self.with(&mut slow, |client| client.exchange(1_000));
        self.with(&mut slow, Client::end);
        self.with(&mut busy, |client| client.last_exchange(70));
    }

    /// One client.
    fn run_one(&mut self) {
        let mut client = self.connect();
        self.with(&mut client, |client| client.exchange(1_000));
        self.with(&mut client, Client::end);
    }

    /// Tells whether a client that comes now is served. A fault may hit one that comes before.
    pub(super) fn serves_the_next(&mut self) -> bool {
        let lost = self.lost.len();
        self.run_one();
        if self.lost.len() == lost {
            return true;
        }
        let lost = self.lost.len();
        self.run_one();
        self.lost.len() == lost
    }

    fn connect(&mut self) -> Option<Client> {
        self.count += 1;
        let bytes = Random::of(self.seed, self.name, self.count);
        match Client::connect(self.server, bytes, self.count) {
            Ok(client) => Some(client),
            Err(trouble) => {
                self.note(Err(trouble));
                None
            }
        }
    }

    /// Lets a client act, unless it was lost before.
    fn with(&mut self, client: &mut Option<Client>, act: impl FnOnce(&mut Client) -> Done) {
        let Some(connected) = client else { return };
        let done = act(connected);
        if done.is_err() {
            *client = None;
        }
        self.note(done);
    }

    fn note(&mut self, done: Done) {
        match done {
            Ok(()) => {}
            Err(Trouble::Lost(how)) => self.lost.push(how),
            Err(Trouble::Fault(what)) => self.wrong.push(what),
        }
    }
}
