//! The life of a client, by chance.

use std::time::{Duration, Instant};

use super::client::{Client, Reading};
use super::dice::Dice;
use super::model::{Last, Stage};
use super::world::Phase;
use crate::util::DEADLINE;

#[derive(Clone, Copy, Debug)]
enum Act {
    /// Several messages, one right after the other.
    Pipeline,
    Burst,
    /// Waits for the server to say something.
    Listen,
    Idle,
    ReadSlowly,
    Stall,
    HalfClose,
    /// Sends one burst, then only reads: input that is forgotten stays so.
    FallSilent,
    Leave,
    Reset,
    /// Sends what does not belong to the stream.
    Urgent,
    Meddle,
    /// Does nothing any more, and reads nothing.
    Vanish,
}

const ACTS: [(usize, Act); 13] = [
    (35, Act::Pipeline),
    (6, Act::Burst),
    (20, Act::Listen),
    (12, Act::Idle),
    (5, Act::ReadSlowly),
    (6, Act::Stall),
    (2, Act::HalfClose),
    (2, Act::FallSilent),
    (1, Act::Leave),
    (1, Act::Reset),
    (1, Act::Urgent),
    (1, Act::Meddle),
    (1, Act::Vanish),
];

/// How a client goes on when its acts are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stay,
    Vanish,
    Gone,
}

/// Lives through a connection to its end.
pub(crate) fn live(client: &mut Client, dice: &mut Dice) {
    if dice.percent(4) {
        // Connects, and leaves at once.
        return client.leave(dice.coin());
    }
    let fate = act(client, dice);
    match fate {
        Fate::Gone => return,
        Fate::Stay => client.set_reading(Reading::All),
        Fate::Vanish => {
            let until = if client.world.plan.is_patient { Phase::Over } else { Phase::Settling };
            client.set_reading(Reading::Not);
            if dice.coin() {
                client.meddle();
            }
            let world = std::sync::Arc::clone(&client.world);
            while world.phase() < until && !world.has_fault() {
                world.pulse.wait(Duration::from_millis(20));
            }
            client.set_reading(Reading::All);
            client.note("is there again".to_owned());
        }
    }
    see_the_end(client);
}

/// Does things as long as operations are left.
fn act(client: &mut Client, dice: &mut Dice) -> Fate {
    while client.world.phase() == Phase::Running {
        if client.is_done() {
            return Fate::Gone;
        }
        if !client.world.spend() {
            // To wait for the next phase, as everybody does.
            client.pump(Duration::from_millis(20), |_| false);
            continue;
        }
        let act = dice.weigh(&ACTS);
        client.world.census.count(&format!("peer {act:?}"));
        match act {
            Act::Pipeline => pipeline(client, dice),
            Act::Burst => send(client, dice.len() * dice.up_to(2), dice.millis(100)),
            Act::Listen => {
                let taken = |client: &Client| client.link.peer.lock().taken.bytes;
                let before = taken(client);
                client.pump(dice.millis(30), |client| taken(client) > before);
            }
            Act::Idle => client.pump(dice.millis(10), |_| false),
            Act::ReadSlowly => read_otherwise(client, Reading::Slowly, dice.millis(40)),
            Act::Stall => stall(client, dice),
            Act::Urgent => client.send_urgent(),
            Act::Meddle => client.meddle(),
            Act::HalfClose => return half_close(client),
            Act::FallSilent => {
                pipeline(client, dice);
                return Fate::Stay;
            }
            Act::Leave | Act::Reset => {
                client.leave(matches!(act, Act::Reset));
                return Fate::Gone;
            }
            Act::Vanish => return Fate::Vanish,
        }
    }
    wind_up(client, dice)
}

/// Decides what becomes of a client when nothing new is begun.
fn wind_up(client: &mut Client, dice: &mut Dice) -> Fate {
    match dice.below(100) {
        0..45 => Fate::Stay,
        45..70 => half_close(client),
        70..90 => {
            client.leave(dice.coin());
            Fate::Gone
        }
        _ => Fate::Vanish,
    }
}

fn half_close(client: &mut Client) -> Fate {
    if client.is_sending() {
        client.finish_sending();
    }
    Fate::Stay
}

fn pipeline(client: &mut Client, dice: &mut Dice) {
    for _ in 0..dice.up_to(5) {
        let len = dice.up_to(2_000);
        send(client, len, Duration::ZERO);
    }
    let time = dice.millis(5);
    client.pump(time, Client::has_sent_all);
}

fn send(client: &mut Client, len: usize, time: Duration) {
    if client.is_sending() {
        client.note(format!("sends {len} bytes"));
        client.send(len);
        client.pump(time, Client::has_sent_all);
    }
}

/// Stops reading for a while: longer than some of the timeouts, now and then.
fn stall(client: &mut Client, dice: &mut Dice) {
    let max = if dice.percent(85) { 100 } else { 600 };
    if dice.percent(20) {
        client.meddle();
    }
    read_otherwise(client, Reading::Not, dice.millis(max));
}

fn read_otherwise(client: &mut Client, reading: Reading, time: Duration) {
    client.note(format!("reads {reading:?} for {time:?}"));
    client.set_reading(reading);
    client.pump(time, |_| false);
    client.set_reading(Reading::All);
}

/// Reads until the server ends the connection, which it must do when it ends itself.
fn see_the_end(client: &mut Client) {
    let mut over = None;
    while !client.is_done() && !client.world.has_fault() {
        client.pump(Duration::from_millis(200), |_| false);
        // Where the server has no part in the end, the copy would keep it from the peer.
        let is_others = match client.link.server.lock().stage {
            Stage::New => client.world.phase() > Phase::Running,
            Stage::Over(last) => matches!(last, Last::Detached | Last::NotBegun),
            Stage::Connecting | Stage::Open => false,
        };
        if is_others {
            client.copy = None;
        }
        if client.world.phase() == Phase::Over {
            let over = over.get_or_insert_with(Instant::now);
            if over.elapsed() > DEADLINE {
                client.world.fault(Some(&client.link), "the peer has not seen the end");
            }
        }
    }
}
