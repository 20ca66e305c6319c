//! Publishers and subscribers.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use evio_sim::{Net, Result, for_each_seed};

use super::client::{Client, Connect, PUBACK, Received, puback, publish};
use super::{UNCONFIRMED, publish_end, serve};
use crate::{Arrival, all_of, rest_for};

const TOPICS: [&str; 6] = ["a", "a/b", "a/c", "b/b", "a/b/c", "c/b/c"];
const FILTERS: [&str; 8] = ["#", "a/#", "+/b", "a/+/c", "a/b", "+", "+/+/c", "b/+"];

/// Returns whether a filter matches a topic: 4.7 of the standard.
fn matches(filter: &str, topic: &str) -> bool {
    match (filter.split_once('/'), topic.split_once('/')) {
        _ if filter == "#" => true,
        (None, None) => filter == "+" || filter == topic,
        (Some((first, "#")), None) => matches(first, topic),
        (Some((first, filter)), Some((level, topic))) => {
            matches(first, level) && matches(filter, topic)
        }
        _ => false,
    }
}

/// What a publisher has sent.
#[derive(Default)]
struct Published {
    topics: RefCell<Vec<&'static str>>,
    /// How many of them the broker has taken for sure.
    confirmed: Cell<usize>,
}

async fn publish_all(
    net: Rc<Net>,
    me: usize,
    published: Rc<[Published]>,
    subscribing: Rc<Cell<usize>>,
    _end: Arrival,
) -> Result {
    all_of(&net, &subscribing).await;
    let mut client = Client::connect(&net, &Connect::new(&format!("p{me}"))).await?;
    let of_me = &published[me];
    for _ in 0..net.random_below(8) {
        let (mut bytes, mut ids) = (Vec::new(), Vec::new());
        let count = 1 + net.random_below(10);
        for at in 0..count {
            let number = of_me.topics.borrow().len();
            let topic = TOPICS[net.random_below(TOPICS.len())];
            // Long ones fill the output of who reads slowly: then the publisher has to wait.
            let len = net.random_below([50, 4_000][net.random_below(2)]);
            let text = format!("{me} {number} {}", ".".repeat(len));
            // The last one of these confirms those before it.
            let is_confirmed = at + 1 == count || net.random_below(2) == 0;
            let packet_id = is_confirmed.then_some(number as u16 + 1);
            bytes.extend(publish(topic, text.as_bytes(), packet_id, false));
            ids.extend(packet_id);
            of_me.topics.borrow_mut().push(topic);
        }
        client.send(&bytes).await?;
        for packet_id in ids {
            client.expect(PUBACK, &packet_id.to_be_bytes()).await?;
            of_me.confirmed.set(usize::from(packet_id));
        }
    }
    Ok(())
}

async fn subscribe(
    net: Rc<Net>,
    me: usize,
    arrival: Arrival,
    published: Rc<[Published]>,
) -> Result {
    let mut client = Client::connect(&net, &Connect::new(&format!("s{me}"))).await?;
    let mut filters = vec![("end", 0)];
    for _ in 0..1 + net.random_below(3) {
        let filter = FILTERS[net.random_below(FILTERS.len())];
        filters.push((filter, net.random_below(2) as u8));
    }
    client.subscribe(&filters).await?;
    drop(arrival);
    let mut received: Vec<Vec<usize>> = published.iter().map(|_| Vec::new()).collect();
    let mut unconfirmed = Vec::new();
    loop {
        let Received { topic, payload, packet_id, .. } = client.receive().await?;
        if topic == "end" {
            break;
        }
        assert!(filters.iter().any(|(filter, _)| matches(filter, &topic)), "{topic} {filters:?}");
        let text = String::from_utf8(payload).unwrap();
        let mut words = text.split(' ').map(|word| word.parse::<usize>());
        let (Some(Ok(publisher)), Some(Ok(number))) = (words.next(), words.next()) else {
            panic!("another text: {text}")
        };
        assert_eq!(published[publisher].topics.borrow()[number], topic);
        received[publisher].push(number);
        unconfirmed.extend(packet_id.map(puback));
        if unconfirmed.len() > net.random_below(UNCONFIRMED + 1) {
            client.send(&unconfirmed.concat()).await?;
            unconfirmed.clear();
        }
        match net.random_below(500) {
            // Its publishers go on then.
            0 => return Ok(()),
            1..5 => rest_for(&net, Duration::from_secs(10)).await,
            5..50 => rest_for(&net, Duration::from_millis(200)).await,
            _ => {}
        }
    }
    for (published, received) in published.iter().zip(received) {
        let topics = published.topics.borrow();
        let is_wanted = |at: &usize| filters.iter().any(|(filter, _)| matches(filter, topics[*at]));
        let wanted: Vec<_> = (0..topics.len()).filter(is_wanted).collect();
        let confirmed = wanted.iter().filter(|at| **at < published.confirmed.get()).count();
        assert!(wanted.starts_with(&received), "{received:?} of {wanted:?}");
        assert!(received.len() >= confirmed, "{received:?}, of which are confirmed {confirmed}");
    }
    Ok(())
}

#[test]
fn subscribers_get_every_message_that_their_filters_match_once_and_in_order() {
    for_each_seed(300, |sim| {
        serve(sim)?;
        let count = 1 + sim.kernel().random_below(6);
        let published: Rc<[Published]> = (0..count).map(|_| Published::default()).collect();
        let (arrivals, subscribing) = Arrival::of(1 + sim.kernel().random_below(4));
        for (me, arrival) in arrivals.enumerate() {
            let published = Rc::clone(&published);
            sim.client(move |net| subscribe(net, me, arrival, published));
        }
        let (ends, publishing) = Arrival::of(count);
        for (me, end) in ends.enumerate() {
            let (published, subscribing) = (Rc::clone(&published), Rc::clone(&subscribing));
            sim.client(move |net| publish_all(net, me, published, subscribing, end));
        }
        sim.client(|net| async move {
            all_of(&net, &publishing).await;
            publish_end(net).await
        });
        Ok(())
    });
}
