//! A loop on the simulated kernel: the input says what the clients do, what the handler answers,
//! and what goes wrong.
#![no_main]

use std::rc::Rc;
use std::time::Duration;

use evio::{Action, Conn, Handler, Limits, Loop, LoopTimer, PauseReason, Server};
use evio_sim::{Faults, Net, Result, Simulation};
use libfuzzer_sys::fuzz_target;

const ADDRESS: &str = "10.0.0.1:80";
/// More would make each input slow, and show little else.
const MAX_CLIENTS: usize = 4;
const MAX_STEPS: usize = 16;

/// Does what each byte of its input says, with what comes behind it as a count.
struct Obeying;

impl Obeying {
    fn obey(conn: &mut Conn<'_>, order: u8, count: usize) -> Action {
        let time = Duration::from_millis(count as u64);
        match order % 16 {
            0..=3 => conn.write(&vec![order; count]),
            4 => conn.write_owned(vec![order; 64 * count]),
            5 => conn.write_shared(vec![order; 200 * count].into()),
            6 => conn.pause_reading_until(PauseReason::new(1), conn.now() + time),
            7 => {
                conn.pause_reading();
                let id = conn.id();
                conn.event_loop().set_timer(time, id).expect("there are few timers");
            }
            8 => conn.resume_reading(),
            9 => conn.set_timer(Some(time)),
            10 => conn.wake(),
            11 => {
                conn.set_limits(Limits::default().high_watermark(10 * count).low_watermark(count))
            }
            12 => conn.set_read_timeout((count > 0).then_some(time)),
            13 => conn.shutdown_write(),
            14 if count > 200 => conn.abort(),
            14 => drop(conn.reply()),
            _ if count > 200 => return Action::Close,
            _ => conn.handle().send(vec![order; count]).expect("there is room"),
        }
        Action::None
    }
}

impl Handler for Obeying {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        for order in input.chunks(2) {
            let count = order.get(1).copied().unwrap_or(1);
            let action = Self::obey(conn, order[0], usize::from(count));
            if action != Action::None {
                return action;
            }
        }
        Action::None
    }

    fn loop_timer(
        &mut self,
        event_loop: &mut Loop<'_>,
        timer: LoopTimer,
    ) -> std::ops::ControlFlow<()> {
        if let Some(mut conn) = timer.tag().conn.and_then(|id| event_loop.conn(id)) {
            conn.resume_reading();
        }
        std::ops::ControlFlow::Continue(())
    }
}

/// Sends what each step says, reads for its time, and leaves as the last one says.
async fn client(net: Rc<Net>, steps: Vec<(Vec<u8>, u8)>) -> Result {
    // Connections may end at any time, which the simulation checks.
    let Ok(mut conn) = net.connect(ADDRESS).await else { return Ok(()) };
    for (output, time) in steps {
        let wait = Duration::from_millis(u64::from(time % 64));
        if time & 64 != 0 {
            net.sleep(wait).await;
        }
        if conn.exchange(&output, wait).await.is_err() {
            return Ok(());
        }
        match time {
            255 => {
                conn.reset();
                return Ok(());
            }
            254 => return Ok(()),
            _ => {}
        }
    }
    if conn.shutdown_write().is_ok() {
        let _ = conn.read_to_end().await;
    }
    Ok(())
}

fn prepare(sim: &mut Simulation, faults: [u8; 4], clients: &[Vec<(Vec<u8>, u8)>]) -> Result {
    let [segment, short_send, would_block, reorder] = faults.map(|fault| f64::from(fault) / 512.0);
    sim.set_faults(Faults { segment, short_send, would_block, reorder, ..Faults::default() });
    let limits = Limits::default().high_watermark(2_000).low_watermark(500);
    let limits = limits.write_timeout(Some(Duration::from_secs(5)));
    sim.serve(Server::bind([format!("tcp://{ADDRESS}")])?.limits(limits), Obeying)?;
    for steps in clients.iter().take(MAX_CLIENTS) {
        let steps: Vec<_> = steps.iter().take(MAX_STEPS).cloned().collect();
        sim.client(|net| client(net, steps));
    }
    Ok(())
}

fuzz_target!(|input: (u64, [u8; 4], Vec<Vec<(Vec<u8>, u8)>>)| {
    let (seed, faults, clients) = input;
    evio_sim::for_seeds([seed], |sim| prepare(sim, faults, &clients));
});
