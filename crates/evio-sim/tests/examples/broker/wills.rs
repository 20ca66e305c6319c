//! Clients that leave, in order or not.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use evio_sim::{Net, Result, for_each_seed};

use super::client::{Client, Connect, DISCONNECT, PINGREQ, PINGRESP, Received};
use super::{publish_end, serve};
use crate::{Arrival, all_of, check_wait, measure_times, rest_for};

/// Whether the wills of those are to be published who know how they have left.
type Left = Rc<RefCell<BTreeMap<String, bool>>>;

/// Connects with a will and leaves in one of four ways.
async fn leave(
    net: Rc<Net>,
    me: usize,
    left: Left,
    watching: Rc<Cell<usize>>,
    _end: Arrival,
) -> Result {
    all_of(&net, &watching).await;
    let name = format!("c{me}");
    let keep_alive = 1 + net.random_below(20) as u16;
    let mut begun = net.now();
    // At QoS 1.
    let will = Some(("will", name.as_str(), 8));
    let connect = Connect { name: &name, keep_alive, will };
    let mut client = Client::connect(&net, &connect).await?;
    for _ in 0..net.random_below(4) {
        rest_for(&net, Duration::from_secs(keep_alive.into())).await;
        begun = net.now();
        client.conn.write_all(&PINGREQ).await?;
        client.expect(PINGRESP, &[]).await?;
    }
    match net.random_below(4) {
        0 => {
            left.borrow_mut().insert(name, true);
            client.conn.reset();
        }
        1 => {
            left.borrow_mut().insert(name, true);
        }
        2 => {
            // It says nothing any more. One and a half of its keep-alive is the time for that.
            client.conn.read_to_end().await?;
            let limit = Duration::from_millis(u64::from(keep_alive) * 1_500);
            check_wait(net.now() - begun, Some(limit));
            left.borrow_mut().insert(name, true);
        }
        _ => {
            client.send(&DISCONNECT).await?;
            client.conn.read_to_end().await?;
            left.borrow_mut().insert(name, false);
        }
    }
    Ok(())
}

async fn watch(net: Rc<Net>, arrival: Arrival, left: Left) -> Result {
    let mut client = Client::connect(&net, &Connect::new("watcher")).await?;
    client.subscribe(&[("will", 1), ("end", 0)]).await?;
    drop(arrival);
    let mut wills = BTreeMap::<String, usize>::new();
    loop {
        let Received { topic, payload, .. } = client.receive().await?;
        if topic == "end" {
            break;
        }
        *wills.entry(String::from_utf8(payload).unwrap()).or_default() += 1;
    }
    for (name, &has_will) in left.borrow().iter() {
        let published = wills.get(name).copied().unwrap_or_default();
        assert_eq!(published, usize::from(has_will), "wills of {name}");
    }
    Ok(())
}

#[test]
fn the_wills_of_those_are_published_who_do_not_say_that_they_leave() {
    for_each_seed(300, |sim| {
        measure_times(sim);
        serve(sim)?;
        let left = Left::default();
        let (arrivals, watching) = Arrival::of(1);
        for arrival in arrivals {
            let left = Rc::clone(&left);
            sim.client(|net| watch(net, arrival, left));
        }
        let (ends, leaving) = Arrival::of(1 + sim.kernel().random_below(5));
        for (me, end) in ends.enumerate() {
            let (left, watching) = (Rc::clone(&left), Rc::clone(&watching));
            sim.client(move |net| leave(net, me, left, watching, end));
        }
        sim.client(|net| async move {
            all_of(&net, &leaving).await;
            publish_end(net).await
        });
        Ok(())
    });
}
