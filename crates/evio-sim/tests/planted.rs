//! A bug that only some timings show is found, and repeated; what has failed is told.

use std::collections::BTreeSet;
use std::env;
use std::io;
use std::os::unix::net::UnixStream;
use std::panic;
use std::process::Command;
use std::time::Duration;

use evio::{Action, Conn, Handler, Server};
use evio_sim::{Faults, Result, Simulation, for_each_seed, for_seeds};

const ADDRESS: &str = "10.0.0.1:7";
/// Set in a child of this test.
const IS_CHILD: &str = "EVIO_SIM_TEST_CHILD";

/// Sends lines back, and loses the beginning of a line whose end has not come with it.
struct Lossy;

impl Handler for Lossy {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        let whole = input.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        conn.write(&input[..whole]);
        Action::None
    }
}

fn prepare(sim: &mut Simulation) -> Result {
    sim.serve(Server::bind([format!("tcp://{ADDRESS}")])?, Lossy)?;
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        for number in 0..5 {
            let line = format!("line {number}\n");
            conn.write_all(line.as_bytes()).await?;
            assert_eq!(conn.read_line().await?, line);
        }
        Ok(())
    });
    Ok(())
}

/// Returns the message of the panic, if there is one.
fn failure(run: impl FnOnce() + panic::UnwindSafe) -> Option<String> {
    let panic = panic::catch_unwind(run).err()?;
    Some(panic.downcast_ref::<String>().expect("the seed is in the message").clone())
}

fn seed_in(message: &str) -> u64 {
    let (_, rest) = message.split_once("EVIO_SEED=").expect("the message names the seed");
    rest.split(' ').next().and_then(|seed| seed.parse().ok()).expect("the seed is a number")
}

#[test]
fn a_lost_beginning_is_found_and_its_seed_repeats_it() {
    if env::var_os(IS_CHILD).is_some() {
        for_each_seed(1, prepare);
        return;
    }
    let first = failure(|| _ = for_seeds(0..500, prepare)).expect("the bug is found");
    let seed = seed_in(&first);
    let again = failure(|| _ = for_seeds([seed], prepare)).expect("the bug is found again");
    assert_eq!(first.lines().next(), again.lines().next());

    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "a_lost_beginning_is_found_and_its_seed_repeats_it", "--nocapture"])
        .env(IS_CHILD, "1")
        .env("EVIO_SEED", seed.to_string())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stderr).into_owned();
    assert!(!child.status.success() && told.contains(&format!("seed {seed} has failed")), "{told}");
    assert_eq!(told.matches("assertion `left == right` failed").count(), 1, "{told}");
}

/// Its last lines say which client it was, and which sockets were whose.
#[test]
fn the_trace_of_a_failure_is_the_same_each_time_and_tells_the_clients_apart() {
    let fails = |sim: &mut Simulation| {
        sim.set_faults(Faults::default());
        sim.serve(Server::bind([format!("tcp://{ADDRESS}")])?, Lossy)?;
        for number in 0..2 {
            sim.client(move |net| async move {
                let mut conn = net.connect(ADDRESS).await?;
                net.sleep(Duration::from_millis(1 + number)).await;
                conn.write_all(b"hello\n").await?;
                assert!(number == 0, "this one fails");
                Ok(())
            });
        }
        Ok(())
    };
    let mut told = (0..2).map(|_| failure(|| _ = for_seeds([7], fails)).expect("it fails"));
    let (first, again) = (told.next().unwrap(), told.next().unwrap());
    assert_eq!(first, again);
    for line in [
        "timer of peer 10.1.0.1\n",
        " client 1, 10.1.0.1, has failed\n",
        " of peer 10.1.0.1: TCP 10.1.0.1:",
        " of program: TCP 10.0.0.1:7 from 10.1.0.1:",
    ] {
        assert!(first.contains(line), "no {line:?} in {first}");
    }
}

#[test]
fn an_error_is_told_with_its_sources() {
    let error = || evio::Error::Socket(io::Error::other("it is of no use"));
    let told = failure(|| _ = for_seeds([1], |_| Err(error().into()))).expect("it fails");
    let expected = "seed 1: it could not be prepared: cannot use the socket: it is of no use";
    assert_eq!(told.lines().next(), Some(expected));

    let fails = |sim: &mut Simulation| {
        sim.client(move |_| async move { Err(error().into()) });
        Ok(())
    };
    let told = failure(|| _ = for_seeds([1], fails)).expect("it fails");
    let expected = "seed 1: client 0, 10.1.0.0, has failed: cannot use the socket: it is of no use";
    assert_eq!(told.lines().next(), Some(expected));
}

/// A signal cannot come there: `ServerHandle::shutdown_gracefully` is what a test has for it.
#[test]
fn a_server_that_waits_for_a_descriptor_of_the_system_does_not_start() {
    let told = failure(|| {
        _ = for_seeds([1], |sim| {
            let (stop, _other_end) = UnixStream::pair()?;
            let server = Server::bind([format!("tcp://{ADDRESS}")])?.shutdown_on(stop);
            Ok(sim.serve(server, Lossy)?)
        });
    });
    let told = told.expect("it does not start");
    assert!(told.contains("event loop failed: a simulation polls no descriptor"), "{told}");
}

/// Returns the lines with an `N` for each number.
fn shapes(text: &str) -> BTreeSet<String> {
    let mut text = text.replace(|c: char| c.is_ascii_digit(), "N");
    while text.contains("NN") {
        text = text.replace("NN", "N");
    }
    text.lines().map(|line| line.trim().to_owned()).collect()
}

/// Its numbers are others with every change of what is drawn.
#[test]
fn the_sample_of_the_tutorial_has_lines_that_are_printed() {
    let tutorial = include_str!("../src/tutorial.rs").replace("//!", "");
    let (_, sample) = tutorial.split_once("prints all of it:\n").expect("there is a sample");
    let (sample, _) = sample.split_once("```").expect("it has an end");
    let failures = (0..100).filter_map(|seed| failure(|| _ = for_seeds([seed], prepare)));
    let printed: BTreeSet<String> = failures.flat_map(|printed| shapes(&printed)).collect();
    for line in shapes(sample.trim()).iter().filter(|line| *line != "...") {
        assert!(printed.contains(line), "{line:?} is not printed");
    }
}
