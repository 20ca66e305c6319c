//! A handler and clients that do anything at any time, and a model of what has to come of it.

mod machine;
mod model;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use evio::{Limits, Server};
use evio_sim::{Faults, Net, Options, Result, for_each_seed};

use machine::Machine;
use model::{SOURCES, World, byte};

const ADDRESS: &str = "10.0.0.1:80";
const SEEDS: u64 = 500;

/// By then every connection has ended whose client has ended its output.
const END: Duration = Duration::from_secs(30);

/// The limits that connections get; all begin with the first.
const LIMITS: [fn() -> Limits; 4] = [
    || Limits::default().high_watermark(4_000).low_watermark(1_000),
    || Limits::default().high_watermark(500).low_watermark(0),
    || Limits::default().high_watermark(30_000).low_watermark(60_000),
    || Limits::default().high_watermark(0).low_watermark(0),
];

/// What a client has read, taken apart.
struct Frames {
    client: SocketAddr,
    unread: Vec<u8>,
    read: [usize; SOURCES],
}

impl Frames {
    /// Checks that each source goes on where it was.
    fn take(&mut self, input: &[u8]) {
        self.unread.extend(input);
        while let [source, low, high, rest @ ..] = &self.unread[..] {
            let (source, len) =
                (usize::from(*source), usize::from(u16::from_le_bytes([*low, *high])));
            let Some(content) = rest.get(..len) else { return };
            let at = self.read[source];
            let expected = (at..at + len).map(|at| byte(self.client, source, at));
            assert!(content.iter().copied().eq(expected), "source {source} is wrong at {at}");
            self.read[source] += len;
            self.unread.drain(..3 + len);
        }
    }
}

async fn act(net: Rc<Net>, world: &RefCell<World>) -> Result {
    net.sleep(Duration::from_millis(net.random_below(100) as u64)).await;
    let mut conn = match net.connect(ADDRESS).await {
        Ok(conn) => conn,
        // It is aborted before the client has noticed that it is there.
        Err(_) if world.borrow().models.values().any(|model| model.may_reset) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let client = conn.local_addr()?.as_inet().expect("a TCP address");
    let mut frames = Frames { client, unread: Vec::new(), read: [0; SOURCES] };
    let mut has_ended = false;
    let result = async {
        for _ in 0..net.random_below(20) {
            let output = net.random_bytes(net.random_below(3_000));
            let time = Duration::from_millis(net.random_below(50) as u64);
            if net.random_below(3) == 0 {
                // It does not read meanwhile.
                net.sleep(time).await;
            }
            let (input, is_end) = conn.exchange(&output, time).await?;
            frames.take(&input);
            has_ended |= is_end;
            if is_end && net.random_below(2) == 0 {
                break;
            }
        }
        conn.shutdown_write()?;
        let start = net.now();
        frames.take(&conn.read_to_end().await?);
        assert!(net.now() - start < END, "the end has taken {:?}", net.now() - start);
        has_ended = true;
        std::io::Result::Ok(())
    }
    .await;
    let world = world.borrow();
    let model = world.by_client.get(&client).and_then(|id| world.models.get(id));
    match (result, model) {
        (Ok(()), Some(model)) => {
            assert!(frames.unread.is_empty(), "a frame was cut off");
            let due = model.due();
            let is_whole = (0..SOURCES).all(|source| frames.read[source] >= due[source]);
            assert!(is_whole, "{:?} came of {due:?}", frames.read);
            Ok(())
        }
        (Err(_), Some(model)) if model.may_reset => Ok(()),
        (Err(error), _) => Err(error.into()),
        (Ok(()), None) => Err("it has ended, and was never opened".into()),
    }
}

#[test]
fn what_is_done_at_random_comes_out_as_the_model_says() {
    let summary = for_each_seed(SEEDS, |sim| {
        // What was lost may come after the end of its connection's patience.
        let drawn = Options::drawn_from(sim.seed()).faults;
        sim.set_faults(Faults { loss: 0.0, ..drawn });
        let world = Rc::new(RefCell::new(World::new(sim.kernel().clone())));
        let server = Server::bind([format!("tcp://{ADDRESS}")])?.limits(LIMITS[0]());
        sim.serve(server, Machine::new(Rc::clone(&world)))?;
        for _ in 0..1 + sim.kernel().random_below(6) {
            let world = Rc::clone(&world);
            world.borrow_mut().clients += 1;
            sim.client(move |net| async move {
                let result = act(net, &world).await;
                world.borrow_mut().clients -= 1;
                result
            });
        }
        Ok(())
    });
    assert!(summary.connections > summary.seeds);
}
