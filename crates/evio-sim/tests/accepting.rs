//! Listeners at their limits.

mod util;

use std::time::Duration;

use evio::{Action, Conn, Limits};
use evio_sim::{Net, Result, for_each_seed};

use util::{ADDRESS, On, Probe, cut_nothing, server};

const SEEDS: u64 = 300;

/// How long a listener rests that has found no descriptor.
const BACKOFF: Duration = Duration::from_millis(50);

fn echo(conn: &mut Conn<'_>, callback: On<'_>) -> Action {
    match callback {
        On::Data(input) => conn.write(input),
        On::PeerClosed => return Action::Close,
        _ => {}
    }
    Action::None
}

async fn say_hello(net: &Net) -> Result<Duration> {
    let mut conn = net.connect(ADDRESS).await?;
    conn.write_all(b"hello").await?;
    assert_eq!(conn.read_exact(5).await?, b"hello");
    Ok(net.now())
}

/// Others have taken the descriptors, so no end of a connection says when there are some again.
#[test]
fn a_listener_comes_back_by_itself_when_there_are_descriptors() {
    let summary = for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        sim.serve(server(Limits::default())?, Probe::new(echo, |_, _| ()))?;
        let kernel = sim.kernel().clone();
        sim.set_descriptors(kernel.open_descriptors());
        let short = Duration::from_millis(kernel.random_below(40) as u64);
        sim.client(move |net| async move {
            net.sleep(short).await;
            kernel.set_descriptors(usize::MAX);
            Ok(())
        });
        for _ in 0..3 {
            sim.client(|net| async move {
                let served = say_hello(&net).await?;
                assert!(served < 4 * BACKOFF, "served after {served:?}");
                Ok(())
            });
        }
        Ok(())
    });
    assert!(summary.faults.no_descriptors > 0);
}

#[test]
fn a_loop_without_descriptors_rests() {
    for_each_seed(SEEDS / 10, |sim| {
        cut_nothing(sim);
        sim.serve(server(Limits::default())?, Probe::new(echo, |_, _| ()))?;
        let kernel = sim.kernel().clone();
        sim.client(move |net| async move {
            say_hello(&net).await?;
            net.sleep(BACKOFF).await;
            kernel.set_descriptors(kernel.open_descriptors());
            let before = kernel.counts().no_descriptors;
            for _ in 0..100 {
                // The client is turned away, which it may notice while it connects.
                let conn = net.connect(ADDRESS).await;
                net.sleep(2 * BACKOFF).await;
                drop(conn);
            }
            let asked = kernel.counts().no_descriptors - before;
            assert!(asked <= 500, "the loop has asked for {asked} descriptors in {:?}", net.now());
            Ok(())
        });
        Ok(())
    });
}

#[test]
fn who_waits_for_room_is_served_when_another_leaves() {
    for_each_seed(SEEDS, |sim| {
        let most = 1 + sim.kernel().random_below(4);
        let server = server(Limits::default())?.max_connections(most);
        sim.serve(server, Probe::new(echo, |_, _| ()))?;
        for _ in 0..20 {
            sim.client(|net| async move {
                net.sleep(Duration::from_millis(net.random_below(20) as u64)).await;
                say_hello(&net).await?;
                Ok(())
            });
        }
        Ok(())
    });
}
