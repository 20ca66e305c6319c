//! The end of all loops, in the midst of what they do.

use std::io::ErrorKind::ConnectionRefused;
use std::rc::Rc;
use std::time::Duration;

use evio::{Action, Conn, Handler};
use evio_sim::{Faults, Net, Result, for_each_seed};

use crate::common::{ADDRESS, Counts, POLICIES, Policy, SEEDS, change_faults, draw_loops, server};

/// Sends back what comes, and ends the server when it is told to.
struct Ending;

impl Handler for Ending {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, (): &mut (), input: &[u8]) -> Action {
        conn.write(input);
        if input.contains(&b'!') { Action::Shutdown } else { Action::None }
    }
}

/// Talks until the connection ends: every reply is what was sent, as far as it comes.
async fn talk_to_the_end(net: Rc<Net>) -> Result {
    loop {
        let Ok(mut conn) = net.connect(ADDRESS).await else { return Ok(()) };
        for _ in 0..net.random_below(20) {
            let message = vec![b'a' + net.random_below(26) as u8; 1 + net.random_below(3_000)];
            if conn.write_all(&message).await.is_err() {
                break;
            }
            let Ok(reply) = conn.read_exact(message.len()).await else { break };
            assert_eq!(reply, message);
            net.sleep(Duration::from_millis(net.random_below(100) as u64)).await;
        }
        net.sleep(Duration::from_millis(net.random_below(50) as u64)).await;
    }
}

/// How long the end may take: the server's timeout, and what a loop may be held up for.
const MOST: Duration = Duration::from_secs(8);

#[test]
fn all_loops_end_in_time_whoever_ends_them() {
    // A connection that was placed when the end began may be dropped, and counted by nobody.
    let policies = POLICIES.into_iter().filter(|policy| !matches!(policy, Policy::Place));
    for policy in policies {
        for_each_seed(SEEDS, |sim| {
            let loops = draw_loops(sim);
            let server = server(sim, policy, &Counts::default())?;
            // What is lost comes late, whatever the loops do.
            change_faults(sim, |drawn| Faults { loss: 0.0, ..drawn });
            let handle = server.handle();
            sim.serve_each(server, loops, |_| Ending)?;
            let way = sim.kernel().random_below(3);
            for _ in 0..5 {
                sim.client(talk_to_the_end);
            }
            sim.client(move |net| async move {
                net.sleep(Duration::from_millis(net.random_below(500) as u64)).await;
                match way {
                    0 => handle.shutdown(),
                    1 => handle.shutdown_gracefully(Duration::from_secs(5)),
                    _ => {
                        loop {
                            match net.connect(ADDRESS).await {
                                Ok(mut conn) => {
                                    if conn.write_all(b"!").await.is_ok() {
                                        let _ = conn.read_to_end().await;
                                    }
                                }
                                Err(error) if error.kind() == ConnectionRefused => break,
                                // It was accepted, and cut off at once.
                                Err(_) => {}
                            }
                        }
                    }
                }
                let since = net.now();
                while net.connect(ADDRESS).await.is_ok() {
                    net.sleep(Duration::from_millis(100)).await;
                    assert!(net.now() - since < MOST, "it goes on after {:?}", net.now() - since);
                }
                Ok(())
            });
            sim.set_longest(Duration::from_secs(20));
            Ok(())
        });
    }
}
