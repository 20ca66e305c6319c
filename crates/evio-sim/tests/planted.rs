//! A bug that only some timings show is found, and repeated.

use std::env;
use std::panic;
use std::process::Command;

use evio::{Action, Conn, Handler, Server};
use evio_sim::{Result, Simulation, for_each_seed, for_seeds};

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
    let line = first.lines().next().unwrap_or_default();
    assert!(!child.status.success() && told.contains(line), "{told}");
}
