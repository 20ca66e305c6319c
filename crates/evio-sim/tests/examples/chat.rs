//! The chat room: every guest hears every line, in the order in which each guest has said it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use evio::{Limits, Server};
use evio_sim::{Connection, Net, Result, for_each_seed};

use crate::{ADDRESS, Arrival, all_of, rest_for, send_in_pieces};

#[allow(dead_code, reason = "its command line is left out")]
#[path = "../../../../examples/src/bin/chat-server.rs"]
mod chat_server;

/// What the guests of a simulation know without having heard it.
#[derive(Default)]
struct Shared {
    /// Those who were in the room when all had come.
    present: RefCell<BTreeSet<String>>,
    /// How many lines each of them is to say.
    lines: RefCell<BTreeMap<String, usize>>,
}

struct Guest {
    net: Rc<Net>,
    conn: Connection,
    name: String,
    /// How many lines of each guest were heard, the last one included.
    heard: BTreeMap<String, usize>,
    /// Those who have said their last line, or have left.
    silent: BTreeSet<String>,
}

impl Guest {
    async fn enter(net: &Rc<Net>, name: String) -> Result<Self> {
        let conn = net.connect(ADDRESS).await?;
        let (heard, silent) = (BTreeMap::new(), BTreeSet::new());
        let mut guest = Self { net: Rc::clone(net), conn, name, heard, silent };
        guest.say(&format!("/nick {}", guest.name)).await?;
        let is_now = format!(" is now {}\n", guest.name);
        while !guest.hear().await?.ends_with(&is_now) {}
        Ok(guest)
    }

    async fn say(&mut self, line: &str) -> Result {
        Ok(send_in_pieces(&self.net, &mut self.conn, format!("{line}\n").as_bytes()).await?)
    }

    /// Hears the next line, and checks that it comes next.
    async fn hear(&mut self) -> Result<String> {
        let line = self.conn.read_line().await?;
        if let Some((name, _)) = line[2..].split_once(" has left") {
            self.silent.insert(name.to_owned());
        } else if let Some((name, said)) = line.trim_end().split_once(": ") {
            let heard = self.heard.entry(name.to_owned()).or_default();
            let number = said.split(' ').next().map(str::parse);
            assert_eq!(number, Some(Ok(*heard)), "a line is lost, or out of its order: {line}");
            *heard += 1;
            if said.ends_with(" bye") {
                self.silent.insert(name.to_owned());
            }
        }
        Ok(line)
    }
}

async fn visit(
    net: Rc<Net>,
    me: usize,
    shared: Rc<Shared>,
    (entered, missing): (Arrival, Rc<Cell<usize>>),
    (present, unknown): (Arrival, Rc<Cell<usize>>),
) -> Result {
    let mut guest = Guest::enter(&net, format!("n{me}")).await?;
    drop(entered);
    all_of(&net, &missing).await;
    // Who is answered now has the others hear when it leaves.
    guest.say("/help").await?;
    while !guest.hear().await?.starts_with("Type /nick") {}
    let count = 1 + net.random_below(20);
    shared.present.borrow_mut().insert(guest.name.clone());
    shared.lines.borrow_mut().insert(guest.name.clone(), count);
    drop(present);
    all_of(&net, &unknown).await;

    let others = shared.present.borrow().clone();
    for number in 0..count {
        let last = if number + 1 == count { "bye" } else { "" };
        let text = "text ".repeat(net.random_below(20));
        guest.say(&format!("{number} {text}{last}")).await?;
        if net.random_below(4) == 0 {
            rest_for(&net, Duration::from_millis(50)).await;
        }
    }
    while !others.is_subset(&guest.silent) {
        guest.hear().await?;
    }
    for (name, lines) in shared.lines.borrow().iter() {
        let heard = guest.heard.get(name).copied().unwrap_or_default();
        assert!(heard == *lines || net.any_was_cut(), "{heard} lines of {name}, who said {lines}");
    }
    if net.random_below(2) == 0 {
        guest.say("/quit").await?;
        guest.conn.read_to_end().await?;
    }
    Ok(())
}

#[test]
fn every_guest_hears_every_line_in_order() {
    for_each_seed(300, |sim| {
        let limits = Limits::default().max_output(1 << 20).high_watermark(1 << 20);
        let server = Server::bind([format!("tcp://{ADDRESS}")])?.limits(limits);
        sim.serve(server, chat_server::Room::default())?;
        let shared = Rc::new(Shared::default());
        let count = 1 + sim.kernel().random_below(5);
        let (entries, missing) = Arrival::of(count);
        let (presences, unknown) = Arrival::of(count);
        for (me, (entered, present)) in entries.zip(presences).enumerate() {
            let (shared, missing) = (Rc::clone(&shared), Rc::clone(&missing));
            let unknown = Rc::clone(&unknown);
            sim.client(move |net| visit(net, me, shared, (entered, missing), (present, unknown)));
        }
        Ok(())
    });
}
