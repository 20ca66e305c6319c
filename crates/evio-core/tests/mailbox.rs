//! Messages from other threads, and from callbacks to their own loop.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read;
use std::mem;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use evio_core::{Action, Config, Conn, EventLoop, Handler, Loop};
use evio_sys::net::{ListenOptions, Listener};

/// Sends itself more messages than a turn carries out, and then nothing wakes the loop any more.
struct Flood;

/// Several times the budget of a turn.
const MESSAGES: usize = 10_000;

const DEADLINE: Duration = Duration::from_secs(20);

impl Handler for Flood {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn opened(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        let handle = conn.handle();
        for number in 0..MESSAGES {
            handle.send(number.to_be_bytes()).unwrap();
        }
        handle.close().unwrap();
        Action::None
    }

    fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
        Action::None
    }
}

#[test]
fn messages_beyond_a_turns_budget_are_carried_out_without_another_wake() {
    let listener =
        Listener::tcp("127.0.0.1:0".parse().unwrap(), &ListenOptions::default()).unwrap();
    let address = listener.local_addr().unwrap().as_inet().unwrap();
    let mut event_loop = EventLoop::new(Config::default()).unwrap();
    event_loop.listen(0, listener).unwrap();
    let handle = event_loop.handle();
    thread::scope(|scope| {
        scope.spawn(|| event_loop.run(Flood).unwrap());
        let client = || -> std::io::Result<Vec<u8>> {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            let mut seen = Vec::new();
            stream.read_to_end(&mut seen)?;
            Ok(seen)
        };
        let seen = client();
        handle.shutdown();
        let expected: Vec<u8> = (0..MESSAGES).flat_map(usize::to_be_bytes).collect();
        assert!(seen.unwrap() == expected);
    });
}

/// Tasks of each thread, of two types in turns of several lengths, and each once.
#[test]
fn tasks_of_a_thread_run_in_the_order_they_were_posted() {
    const THREADS: usize = 3;
    let event_loop = EventLoop::new(Config::default()).unwrap();
    let handle = event_loop.handle();
    let seen = Arc::new(Mutex::new([0; THREADS]));
    thread::scope(|scope| {
        let running = scope.spawn(|| event_loop.run(Flood));
        let post_all = |thread: usize| {
            for number in 0..MESSAGES {
                let own = Arc::clone(&seen);
                let see = move || {
                    let next = &mut own.lock().unwrap()[thread];
                    assert_eq!(*next, number, "of thread {thread}");
                    *next += 1;
                };
                if number % 100 < number / 100 {
                    handle.post(move |_| see()).unwrap();
                } else {
                    handle.post(move |_| see()).unwrap();
                }
            }
        };
        let threads: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || post_all(thread))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        // Ends the server after what was left before it.
        handle.shutdown();
        running.join().unwrap().unwrap();
    });
    assert_eq!(*seen.lock().unwrap(), [MESSAGES; THREADS]);
}

/// Several times what a turn carries out, by tasks that each leave another one: a loop that is busy
/// with its mailbox must go on, and one that has nothing left to do must be woken.
#[test]
fn a_loop_is_woken_however_its_last_turn_ended() {
    const ROUNDS: usize = 5_000;
    let event_loop = EventLoop::new(Config::default()).unwrap();
    let handle = event_loop.handle();
    let (echoes, echo) = mpsc::channel();
    thread::scope(|scope| {
        let running = scope.spawn(|| event_loop.run(Flood));
        for round in 0..ROUNDS {
            let (echoes, own) = (echoes.clone(), handle.clone());
            let echo_later = move |_: &mut Loop<'_>| {
                own.post(move |_| echoes.send(round).unwrap()).unwrap();
            };
            handle.post(echo_later).unwrap();
            if round % 3 == 0 {
                assert_eq!(echo.recv_timeout(DEADLINE), Ok(round));
            } else if round % 3 == 2 {
                assert_eq!(echo.recv_timeout(DEADLINE), Ok(round - 1));
                assert_eq!(echo.recv_timeout(DEADLINE), Ok(round));
            }
        }
        handle.shutdown();
        running.join().unwrap().unwrap();
    });
}

/// The tasks of a turn are those that see the same time. A turn that is woken looks once more.
#[test]
fn tasks_that_share_a_message_count_singly_for_the_budget_of_a_turn() {
    const LEAST_TURNS: usize = 4;
    let event_loop = EventLoop::new(Config::default()).unwrap();
    let handle = event_loop.handle();
    let times = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..MESSAGES {
        let times = Arc::clone(&times);
        let note = move |event_loop: &mut Loop<'_>| times.lock().unwrap().push(event_loop.now());
        handle.post(note).unwrap();
    }
    handle.post(|event_loop| event_loop.shutdown()).unwrap();
    event_loop.run(Flood).unwrap();
    let mut times = times.lock().unwrap();
    assert_eq!(times.len(), MESSAGES);
    times.dedup();
    assert!(times.len() >= LEAST_TURNS, "{MESSAGES} tasks in {} turns", times.len());
}

/// Says when it is dropped which task it was in, and whether that had run.
struct Noted {
    dropped: Arc<Mutex<Vec<(usize, bool)>>>,
    number: usize,
    has_run: bool,
}

impl Noted {
    fn run(&mut self) {
        self.has_run = true;
        assert_ne!(self.number, 2, "the one that panics");
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.dropped.lock().unwrap().push((self.number, self.has_run));
    }
}

#[test]
fn tasks_behind_one_that_panics_do_not_run_and_are_dropped() {
    let event_loop = EventLoop::new(Config::default()).unwrap();
    let handle = event_loop.handle();
    let dropped = Arc::new(Mutex::new(Vec::new()));
    for number in 0..4 {
        let mut noted = Noted { dropped: Arc::clone(&dropped), number, has_run: false };
        handle.post(move |_| noted.run()).unwrap();
    }
    let running = thread::spawn(move || event_loop.run(Flood));
    assert!(running.join().is_err(), "the panic is the loop's");
    let dropped = mem::take(&mut *dropped.lock().unwrap());
    assert_eq!(dropped, [(0, true), (1, true), (2, true), (3, false)]);
}
