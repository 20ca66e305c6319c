//! An echo server on TCP and on a Unix socket, under every fault.

mod util;

use std::rc::Rc;
use std::time::Duration;

use evio::{Action, Conn, Handler, Server};
use evio_sim::{Counts, Faults, Net, Result, Simulation, Summary, for_each_seed};

const ADDRESS: &str = "10.0.0.1:7";
const PATH: &str = "unix:///run/echo.sock";
const SEEDS: u64 = 2_000;

struct Echo;

impl Handler for Echo {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        conn.write(input);
        Action::None
    }
}

async fn talk(net: Rc<Net>, longest: usize) -> Result {
    let address = [ADDRESS, PATH][net.random_below(2)];
    let conn = net.connect(address).await?;
    util::echo_messages(&net, conn, longest).await
}

fn prepare(sim: &mut Simulation, longest: usize) -> Result {
    sim.serve(Server::bind([format!("tcp://{ADDRESS}").as_str(), PATH])?, Echo)?;
    for _ in 0..1 + sim.kernel().random_below(10) {
        sim.client(move |net| talk(net, longest));
    }
    Ok(())
}

#[test]
fn every_message_comes_back_whatever_goes_wrong() {
    let Summary { seeds, faults, connections, .. } =
        for_each_seed(SEEDS, |sim| prepare(sim, 2_000));
    if seeds < SEEDS {
        return;
    }
    assert!(connections > SEEDS, "{connections} connections");
    let Counts {
        segments, short_sends, would_blocks, resets, reorders, losses, call_errors, ..
    } = faults;
    for count in [segments, short_sends, would_blocks, resets, reorders, losses, call_errors] {
        assert!(count > 0, "a fault was never injected: {faults:?}");
    }
}

#[test]
fn the_same_seed_goes_the_same_way() {
    let run = |seed| {
        let mut sim = Simulation::new(seed).unwrap();
        prepare(&mut sim, 5_000).unwrap();
        sim.run()
    };
    let outcomes: Vec<_> = (0..50).map(|seed| (run(seed), run(seed))).collect();
    for (first, second) in &outcomes {
        assert_eq!(first, second);
    }
    assert!(outcomes.windows(2).all(|pair| pair[0].0.trace_hash != pair[1].0.trace_hash));
}

#[test]
fn what_a_script_has_not_read_yet_stays() {
    let mut sim = Simulation::new(1).unwrap();
    sim.set_faults(Faults::default());
    sim.serve(Server::bind([format!("tcp://{ADDRESS}")]).unwrap(), Echo).unwrap();
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        let large = net.random_bytes(1_000_000);
        // More than all buffers hold, so its beginning is read meanwhile.
        conn.write_and_read(b"line\n").await?;
        conn.write_and_read(&large).await?;
        assert_eq!(conn.read_line().await?, "line\n");
        assert_eq!(conn.read_exact(0).await?, b"");
        assert!(conn.read_exact(large.len()).await? == large);
        Ok(())
    });
    sim.run();
}

#[test]
fn an_hour_of_sleep_takes_no_time() {
    let mut sim = Simulation::new(1).unwrap();
    sim.set_faults(Faults::default());
    sim.serve(Server::bind([format!("tcp://{ADDRESS}")]).unwrap(), Echo).unwrap();
    sim.client(|net| async move {
        let mut conn = net.connect(ADDRESS).await?;
        net.sleep(Duration::from_secs(3_600)).await;
        conn.write_all(b"still there\n").await?;
        assert_eq!(conn.read_line().await?, "still there\n");
        Ok(())
    });
    assert!(sim.run().time >= Duration::from_secs(3_600));
}
