//! Ticks, and the timers and intervals of the loop.

mod util;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use evio::{Action, Conn, Handler, Limits, Loop, LoopTimer, TimerId};
use evio_sim::for_each_seed;
use evio_sys::sim::Kernel;

use util::{ADDRESS, draw_time, server};

const SEEDS: u64 = 300;

/// A turn may take so long.
const TURN: Duration = Duration::from_millis(5);

/// Sets timers and cancels some, and knows when each is due.
struct Clocks {
    kernel: Kernel,
    period: Duration,
    next_tick: Option<Duration>,
    /// The timers that are set, when they are due, and the period of an interval.
    timers: BTreeMap<u64, (TimerId, Duration, Option<Duration>)>,
    set: u64,
}

impl Clocks {
    /// Checks that nothing is overdue.
    fn check(&self) {
        let now = self.kernel.now();
        let is_late = |due: Duration| now > due + TURN;
        assert!(!self.next_tick.is_some_and(is_late), "a tick was left out: {:?}", self.next_tick);
        for (tag, &(_, due, _)) in &self.timers {
            assert!(!is_late(due), "timer {tag} of {due:?} has not come by {now:?}");
        }
    }

    fn change(&mut self, event_loop: &mut Loop<'_>) {
        self.check();
        let now = self.kernel.now();
        let draw = |bound| self.kernel.random_below(bound) as u64;
        let delay = Duration::from_micros(1_000 + draw(2_000_000));
        match draw(4) {
            0 => {
                let of = draw(self.timers.len()) as usize;
                if let Some((&tag, &(id, ..))) = self.timers.iter().nth(of) {
                    self.timers.remove(&tag);
                    assert!(event_loop.cancel_timer(id), "timer {tag} is set");
                    assert!(!event_loop.cancel_timer(id), "timer {tag} is not set any more");
                }
            }
            kind if self.timers.len() < 5 => {
                self.set += 1;
                let period = (kind == 1).then_some(delay);
                let timer = match period {
                    Some(period) => event_loop.set_interval(period, self.set),
                    None => event_loop.set_timer(delay, self.set),
                };
                let timer = timer.expect("there are few timers");
                self.timers.insert(self.set, (timer, now + delay, period));
            }
            _ => {}
        }
    }
}

impl Handler for Clocks {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
        self.change(&mut conn.event_loop());
        Action::None
    }

    fn tick(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        let now = self.kernel.now();
        let due = self.next_tick.unwrap_or(now);
        assert!(now >= due, "the tick of {due:?} came at {now:?}");
        self.change(event_loop);
        self.next_tick = Some(due + self.period);
        ControlFlow::Continue(self.period)
    }

    fn loop_timer(&mut self, event_loop: &mut Loop<'_>, timer: LoopTimer) -> ControlFlow<()> {
        let (now, tag) = (self.kernel.now(), timer.tag().number);
        let set = self.timers.remove(&tag);
        let (id, due, period) = set.unwrap_or_else(|| panic!("timer {tag} is not set"));
        assert_eq!(timer.id(), id);
        assert!(now >= due, "timer {tag} of {due:?} came at {now:?}");
        assert!(now <= due + TURN, "timer {tag} of {due:?} came at {now:?}");
        if let Some(period) = period {
            self.timers.insert(tag, (id, due + period, Some(period)));
        }
        self.change(event_loop);
        ControlFlow::Continue(())
    }
}

#[test]
fn timers_come_once_each_when_they_are_due_and_ticks_never_stop() {
    for_each_seed(SEEDS, |sim| {
        let period = draw_time(sim) / 10 + Duration::from_millis(20);
        let handler = Clocks {
            kernel: sim.kernel().clone(),
            period,
            next_tick: None,
            timers: BTreeMap::new(),
            set: 0,
        };
        sim.serve(server(Limits::default())?, handler)?;
        sim.client(move |net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            for _ in 0..5 {
                conn.write_all(b"x").await?;
                net.sleep((5 * period).min(Duration::from_secs(5))).await;
            }
            Ok(())
        });
        Ok(())
    });
}
