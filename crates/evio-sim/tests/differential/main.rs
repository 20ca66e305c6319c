//! The same calls on the real kernel and on the simulated one: the results and the events have to
//! be the same. It is the types of `evio-sys` that are compared, for the thread chooses the kernel.

mod calls;
mod datagrams;
mod world;

use std::env;
use std::fmt::{Debug, Write};
use std::io;
use std::time::Duration;

use evio_sys::random;
use evio_sys::sim::{Interface, Kernel, Options};

use calls::{Transport, draw_calls};
use datagrams::{Datagrams, draw_datagram_calls};
use world::World;

const SEEDS: u64 = 200;
const CALLS: usize = 80;
/// All calls together take less than the 40 ms that an acknowledgement may wait.
const PAUSES: [Duration; 3] =
    [Duration::ZERO, Duration::from_micros(20), Duration::from_micros(150)];
/// What Unix and UDP sockets have on Linux.
const BUFFER: usize = 212_992;

/// Sockets that calls are made of.
trait Played {
    type Call: Copy + Debug;

    /// Makes a call, and returns what it has come to; `None` if there is nothing to make it of.
    fn call(&mut self, call: Self::Call) -> Option<String>;

    /// Notes a call that has not failed.
    fn note(&mut self, call: Self::Call);
}

/// Makes the calls and returns a line for each, with `settle` behind each.
fn play<W: Played>(mut world: W, calls: &[W::Call], settle: &dyn Fn()) -> String {
    let mut log = String::new();
    for &call in calls {
        if let Some(result) = world.call(call) {
            // A registration that failed is the one before.
            if !result.starts_with("error") {
                world.note(call);
            }
            writeln!(log, "{call:?}: {result}").expect("a string takes all");
        }
        settle();
    }
    log
}

/// Plays the calls of each seed on both kernels and compares them.
fn compare<C>(draw: impl Fn(&Kernel) -> C, play: impl Fn(&C, &dyn Fn()) -> String) {
    let (first, count) = match env::var("EVIO_SEED") {
        Ok(seed) => (seed.parse().expect("a number"), 1),
        Err(_) => (random::seed(), seeds()),
    };
    for seed in (0..count).map(|number| first.wrapping_add(number)) {
        let random = Kernel::new(seed, Options::default()).expect("there are descriptors");
        let calls = draw(&random);
        let simulated = play_simulated(|settle| play(&calls, settle));
        let real = play_real(&simulated, |settle| play(&calls, settle));
        if real == simulated {
            continue;
        }
        let same = real.lines().zip(simulated.lines()).take_while(|(a, b)| a == b).count();
        let before: Vec<_> = real.lines().take(same).collect();
        panic!(
            "EVIO_SEED={seed}\n{}\nreal:      {:?}\nsimulated: {:?}",
            before.join("\n"),
            real.lines().nth(same),
            simulated.lines().nth(same)
        );
    }
}

/// How many fresh seeds there are: `EVIO_SEEDS` in the environment asks for more.
fn seeds() -> u64 {
    env::var("EVIO_SEEDS").map_or(SEEDS, |seeds| seeds.parse().expect("EVIO_SEEDS is a number"))
}

fn play_simulated(play: impl Fn(&dyn Fn()) -> String) -> String {
    let (latency, send_buffer, recv_buffer) = (Duration::ZERO, BUFFER, BUFFER);
    let interface = if is_kqueue() { Interface::Kqueue } else { Interface::Epoll };
    let options = Options { interface, latency, send_buffer, recv_buffer, ..Options::default() };
    let kernel = Kernel::new(0, options).expect("there are descriptors");
    let _entered = kernel.enter();
    play(&|| {
        // What waits for a time does not come in the real one either, which takes less than that.
        kernel.advance_to(kernel.now() + Duration::from_nanos(1));
    })
}

/// What differs is played again, more slowly: under load, the loopback device may deliver late.
fn play_real(expected: &str, play: impl Fn(&dyn Fn()) -> String) -> String {
    for pause in PAUSES {
        // It is the network's slowness that is waited out.
        let log = play(&|| std::thread::sleep(pause));
        if log == expected {
            return log;
        }
    }
    play(&|| {})
}

/// The model of kqueue has the sockets of Linux: of these, TCP alone is compared.
fn is_kqueue() -> bool {
    evio_sys::BACKEND == "kqueue"
}

/// Shows the number of an error, or its kind if it is not the system's.
fn shown<T: Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => match error.raw_os_error() {
            Some(number) => format!("error {number}"),
            None => format!("{:?}", error.kind()),
        },
    }
}

fn compare_streams(transport: Transport) {
    compare(
        |random| draw_calls(random, CALLS),
        |calls, settle| {
            let world = World::new(transport, settle).expect("there are descriptors");
            play(world, calls, settle)
        },
    );
}

#[test]
fn both_kernels_say_the_same_of_datagrams() {
    if is_kqueue() {
        return;
    }
    compare(
        |random| draw_datagram_calls(random, CALLS),
        |calls, settle| {
            let datagrams = Datagrams::new(settle).expect("there are descriptors");
            play(datagrams, calls, settle)
        },
    );
}

#[test]
fn both_kernels_say_the_same_of_tcp() {
    compare_streams(Transport::Tcp);
}

#[test]
fn both_kernels_say_the_same_of_unix_sockets() {
    if is_kqueue() {
        return;
    }
    compare_streams(Transport::Unix);
}
