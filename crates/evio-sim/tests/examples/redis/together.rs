//! What clients of the redis server do to each other's keys, and send each other.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use evio_sim::{Net, Result, for_each_seed};

use super::resp::{Client, Reply, command};
use super::{serve, settings};
use crate::{Arrival, all_of};

const ACCOUNTS: [&str; 3] = ["a", "b", "c"];

/// What the clients of a simulation have done.
#[derive(Default)]
struct Transfers {
    tried: Cell<i64>,
    confirmed: Cell<i64>,
}

/// Returns the number that a key has; without one, it is zero.
fn number(reply: &Reply) -> i64 {
    match reply {
        Reply::Bulk(None) => 0,
        Reply::Bulk(Some(text)) => std::str::from_utf8(text).unwrap().parse().unwrap(),
        other => panic!("no string: {other:?}"),
    }
}

async fn balances(client: &mut Client) -> Result<Vec<i64>> {
    match client.call("MGET a b c").await? {
        Reply::Array(Some(balances)) => Ok(balances.iter().map(number).collect()),
        other => panic!("no array: {other:?}"),
    }
}

/// Moves numbers from one key to another, and begins anew when somebody else has changed one.
async fn transfer(net: Rc<Net>, transfers: Rc<Transfers>, _end: Arrival) -> Result {
    let mut client = Client::connect(&net).await?;
    for _ in 0..1 + net.random_below(6) {
        let from = net.random_below(ACCOUNTS.len());
        let to = (from + 1 + net.random_below(ACCOUNTS.len() - 1)) % ACCOUNTS.len();
        loop {
            let watch = format!("WATCH {} {}", ACCOUNTS[from], ACCOUNTS[to]);
            assert_eq!(client.call(&watch).await?, Reply::simple("OK"));
            let balances = balances(&mut client).await?;
            let commands = [
                "MULTI".to_owned(),
                format!("SET {} {}", ACCOUNTS[from], balances[from] - 7),
                format!("SET {} {}", ACCOUNTS[to], balances[to] + 7),
                "INCR transfers".to_owned(),
                "EXEC".to_owned(),
            ];
            transfers.tried.set(transfers.tried.get() + 1);
            client.send(&commands.map(|line| command(&line))).await?;
            for expected in ["OK", "QUEUED", "QUEUED", "QUEUED"] {
                assert_eq!(client.read().await?, Reply::simple(expected));
            }
            match client.read().await? {
                Reply::Array(Some(replies)) => {
                    assert_eq!(replies[..2], [Reply::simple("OK"), Reply::simple("OK")]);
                    transfers.confirmed.set(transfers.confirmed.get() + 1);
                    break;
                }
                other => assert_eq!(other, Reply::Array(None)),
            }
        }
    }
    Ok(())
}

#[test]
fn a_transaction_is_carried_out_as_a_whole_or_not_at_all() {
    for_each_seed(300, |sim| {
        serve(sim, settings())?;
        let transfers = Rc::new(Transfers::default());
        let (ends, unfinished) = Arrival::of(2 + sim.kernel().random_below(4));
        for end in ends {
            let transfers = Rc::clone(&transfers);
            sim.client(|net| transfer(net, transfers, end));
        }
        sim.client(|net| async move {
            let mut client = Client::connect(&net).await?;
            for _ in 0..20 {
                let balances = balances(&mut client).await?;
                assert_eq!(balances.iter().sum::<i64>(), 0, "{balances:?}");
                client.rest(Duration::from_millis(20)).await;
            }
            Ok(())
        });
        sim.client(|net| async move {
            all_of(&net, &unfinished).await;
            let mut client = Client::connect(&net).await?;
            assert_eq!(balances(&mut client).await?.iter().sum::<i64>(), 0);
            let carried_out = number(&client.call("GET transfers").await?);
            let possible = transfers.confirmed.get()..=transfers.tried.get();
            assert!(possible.contains(&carried_out), "{carried_out} of {possible:?}");
            Ok(())
        });
        Ok(())
    });
}

/// How many messages of each publisher have a reply.
type Published = Rc<[Cell<usize>]>;

async fn subscribe(net: Rc<Net>, arrival: Arrival, published: Published) -> Result {
    let mut client = Client::connect(&net).await?;
    client.send(&[command("SUBSCRIBE news"), command("PSUBSCRIBE n*s")]).await?;
    for _ in 0..2 {
        client.read().await?;
    }
    drop(arrival);
    // Of each publisher, how many messages came by the channel, and by the pattern.
    let mut seen: [BTreeMap<usize, usize>; 2] = Default::default();
    loop {
        if net.random_below(10) == 0 {
            client.rest(Duration::from_millis(30)).await;
        }
        let Reply::Array(Some(parts)) = client.read().await? else { panic!("no message") };
        let by_pattern = parts[0] == Reply::bulk(b"pmessage");
        let Some(Reply::Bulk(Some(text))) = parts.last() else { panic!("no text: {parts:?}") };
        let text = String::from_utf8(text.clone()).unwrap();
        let Some((publisher, number)) = text.split_once(':') else {
            assert_eq!(text, "stop");
            if by_pattern {
                break;
            }
            continue;
        };
        let number: usize = number.trim_end_matches('.').parse().unwrap();
        let next = seen[usize::from(by_pattern)].entry(publisher.parse().unwrap()).or_default();
        assert_eq!(number, *next, "a message of {publisher} is lost, or out of its order");
        *next += 1;
    }
    for (publisher, confirmed) in published.iter().enumerate() {
        for seen in &seen {
            let seen = seen.get(&publisher).copied().unwrap_or_default();
            assert!(seen >= confirmed.get(), "{seen} of {confirmed:?} of {publisher}");
        }
    }
    Ok(())
}

async fn publish(
    net: Rc<Net>,
    me: usize,
    published: Published,
    missing: Rc<Cell<usize>>,
    _end: Arrival,
) -> Result {
    all_of(&net, &missing).await;
    let mut client = Client::connect(&net).await?;
    let (mut next, most) = (0, net.random_below(40));
    while next < most {
        let batch = 1 + net.random_below(10);
        // Long ones, now and then, fill the output of those who read slowly.
        let text = |number| format!("{me}:{number}{}", ".".repeat(net.random_below(300)));
        let publish = |number| format!("PUBLISH news {}", text(number));
        let commands: Vec<_> = (next..next + batch).map(|at| command(&publish(at))).collect();
        client.send(&commands).await?;
        for _ in 0..batch {
            let Reply::Integer(_) = client.read().await? else { panic!("no number") };
            next += 1;
            published[me].set(next);
        }
    }
    Ok(())
}

#[test]
fn subscribers_get_every_message_in_the_order_of_its_publisher() {
    for_each_seed(300, |sim| {
        serve(sim, settings())?;
        let publishers = 1 + sim.kernel().random_below(3);
        let published: Published = (0..publishers).map(|_| Cell::new(0)).collect();
        let (arrivals, missing) = Arrival::of(1 + sim.kernel().random_below(4));
        for arrival in arrivals {
            let published = Rc::clone(&published);
            sim.client(|net| subscribe(net, arrival, published));
        }
        let (ends, unfinished) = Arrival::of(publishers);
        for (me, end) in ends.enumerate() {
            let (published, missing) = (Rc::clone(&published), Rc::clone(&missing));
            sim.client(move |net| publish(net, me, published, missing, end));
        }
        sim.client(|net| async move {
            all_of(&net, &unfinished).await;
            // It has to come through, or the subscribers wait for ever.
            loop {
                if let Ok(mut client) = Client::connect(&net).await {
                    match client.call("PUBLISH news stop").await {
                        Ok(_) => return Ok(()),
                        Err(_) if net.any_was_cut() => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        });
        Ok(())
    });
}
