//! Times and limits of the redis server, in virtual time.

use std::time::Duration;

use evio::Limits;
use evio_sim::{Result, for_each_seed};

use super::resp::{Client, Reply, command, wire};
use super::{serve, settings};
use crate::{check_wait, measure_times};

#[test]
fn keys_expire_by_themselves_after_an_hour() {
    // An hour has 36,000 ticks.
    for_each_seed(3, |sim| {
        measure_times(sim);
        serve(sim, settings())?;
        sim.set_longest(Duration::from_secs(4_000));
        sim.client(|net| async move {
            let mut client = Client::connect(&net).await?;
            let sent = net.now();
            assert_eq!(client.call("SET a 1 EX 3600").await?, Reply::simple("OK"));
            net.sleep(Duration::from_secs(3_599).saturating_sub(net.now() - sent)).await;
            assert_eq!(client.call("GET a").await?, Reply::bulk(b"1"));
            net.sleep(Duration::from_secs(2)).await;
            // Nobody has asked for it since.
            assert_eq!(client.call("DBSIZE").await?, Reply::Integer(0));
            assert_eq!(client.call("GET a").await?, Reply::Bulk(None));
            Ok(())
        });
        Ok(())
    });
}

#[test]
fn a_command_that_does_not_become_whole_ends_the_connection_in_time() {
    for_each_seed(300, |sim| {
        measure_times(sim);
        serve(sim, settings())?;
        sim.client(move |net| async move {
            let mut client = Client::connect(&net).await?;
            let mut begun = net.now();
            if net.random_below(2) == 0 {
                // Between commands there is no limit.
                assert_eq!(client.call("PING").await?, Reply::simple("PONG"));
                net.sleep(Duration::from_secs(net.random_below(100) as u64)).await;
                begun = net.now();
                let partial = wire(&command("ECHO hello"));
                for byte in &partial[..1 + net.random_below(partial.len() - 1)] {
                    client.conn.write_all(&[*byte]).await?;
                    client.rest(Duration::from_secs(2)).await;
                }
            }
            client.expect_end().await?;
            check_wait(net.now() - begun, settings().request_timeout);
            Ok(())
        });
        Ok(())
    });
}

#[test]
fn who_takes_nothing_is_cut_off_in_time() {
    let timeout = Duration::from_secs(10);
    for_each_seed(300, |sim| {
        measure_times(sim);
        let mut clients = settings();
        clients.limits = Limits::default().write_timeout(Some(timeout));
        serve(sim, clients)?;
        sim.client(move |net| async move {
            let mut client = Client::connect(&net).await?;
            let value = "x".repeat(100_000);
            client.call(&format!("SET large {value}")).await?;
            client.send(&vec![command("GET large"); 5]).await?;
            // Nothing is read.
            net.sleep(6 * timeout).await;
            Ok(())
        });
        sim.client(move |net| async move {
            let mut client = Client::connect(&net).await?;
            // It takes seconds to send a large value through a small buffer.
            net.sleep(Duration::from_secs(20) + 2 * timeout).await;
            assert_eq!(clients_of(&mut client).await?, 1, "it is still there");
            Ok(())
        });
        Ok(())
    });
}

async fn clients_of(client: &mut Client) -> Result<usize> {
    match client.call("CLIENT LIST").await? {
        Reply::Bulk(Some(list)) => Ok(list.iter().filter(|&&byte| byte == b'\n').count()),
        other => panic!("no list: {other:?}"),
    }
}

#[test]
fn large_replies_come_whole_to_a_slow_reader_and_too_large_ones_are_an_error() {
    for_each_seed(60, |sim| {
        serve(sim, settings())?;
        for number in 0..2 {
            sim.client(move |net| async move {
                let mut client = Client::connect(&net).await?;
                let key = format!("v{number}").into_bytes();
                let value = net.random_bytes(20_000 + net.random_below(200_000));
                client.send(&[vec![b"SET".to_vec(), key.clone(), value.clone()]]).await?;
                assert_eq!(client.read().await?, Reply::simple("OK"));
                let count = 1 + net.random_below(8);
                client.send(&vec![vec![b"GET".to_vec(), key.clone()]; count]).await?;
                for _ in 0..count {
                    client.rest(Duration::from_secs(1)).await;
                    assert_eq!(client.read().await?, Reply::bulk(&value));
                }
                // One reply that is longer than the limit.
                let mut many = vec![b"MGET".to_vec()];
                many.resize(2 + settings().max_output / value.len(), key);
                client.send(&[many, command("PING")]).await?;
                let Reply::Error(error) = client.read().await? else { panic!("it has come") };
                assert!(error.contains("longer than the output limit"), "{error}");
                assert_eq!(client.read().await?, Reply::simple("PONG"));
                Ok(())
            });
        }
        Ok(())
    });
}

/// With a list of 2,000 elements, 50 of these are as much as a client may have at once.
#[test]
fn long_work_is_done_in_turns() {
    for_each_seed(60, |sim| {
        serve(sim, settings())?;
        for number in 0..2 {
            sim.client(move |net| async move {
                let mut client = Client::connect(&net).await?;
                let mut push = command(&format!("RPUSH l{number}"));
                push.resize(2_002, b"x".to_vec());
                let find = command(&format!("LPOS l{number} y"));
                let count = net.random_below(200);
                client.send(&[&[push], &vec![find; count][..]].concat()).await?;
                let ends = net.random_below(2) == 0;
                if ends {
                    client.conn.shutdown_write()?;
                }
                assert_eq!(client.read().await?, Reply::Integer(2_000));
                for _ in 0..count {
                    assert_eq!(client.read().await?, Reply::Bulk(None));
                }
                if ends {
                    client.expect_end().await?;
                }
                Ok(())
            });
        }
        Ok(())
    });
}
