//! How long a client may take, in virtual time.

use std::rc::Rc;
use std::time::Duration;

use evio_examples::http::MIN_BODY_RATE;
use evio_sim::{Net, Result, for_each_seed};

use super::client::Client;
use super::{TIMEOUTS, serve};
use crate::{check_wait, measure_times};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Runs this script as several clients, with a connection each.
fn for_each_client(script: impl AsyncFn(Rc<Net>, Client) -> Result + Copy + 'static) {
    for_each_seed(200, |sim| {
        measure_times(sim);
        serve(sim, b"page".to_vec())?;
        for _ in 0..3 {
            sim.client(move |net| async move {
                let mut client = Client::connect(&net).await?;
                // Often it is not the first request.
                for _ in 0..net.random_below(3) {
                    let sent = net.now();
                    client.send(GET).await?;
                    assert_eq!(client.read(false, sent).await?.status, 200);
                    client.rest(Duration::from_secs(50)).await;
                }
                script(net, client).await
            });
        }
        Ok(())
    });
}

#[test]
fn who_asks_for_nothing_is_closed_when_the_time_is_up() {
    for_each_seed(200, |sim| {
        measure_times(sim);
        serve(sim, b"page".to_vec())?;
        sim.client(|net| async move {
            let mut client = Client::connect(&net).await?;
            let mut begun = net.now();
            let mut limit = TIMEOUTS.head;
            for _ in 0..net.random_below(4) {
                let sent = net.now();
                client.send(GET).await?;
                assert_eq!(client.read(false, sent).await?.status, 200);
                begun = net.now();
                limit = TIMEOUTS.keep_alive;
            }
            client.expect_end().await?;
            check_wait(net.now() - begun, limit);
            Ok(())
        });
        Ok(())
    });
}

#[test]
fn a_head_that_does_not_become_whole_is_given_up_in_time() {
    for_each_client(async |net, mut client| {
        let head = [GET, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"][net.random_below(2)];
        let begun = net.now();
        for byte in &head[..5 + net.random_below(head.len() - 5)] {
            client.conn.write_all(&[*byte]).await?;
            client.rest(Duration::from_secs(1)).await;
        }
        let response = client.read(head[0] == b'H', begun).await?;
        assert_eq!((response.status, response.says_close()), (408, true));
        client.expect_end().await?;
        check_wait(net.now() - begun, TIMEOUTS.head);
        Ok(())
    });
}

#[test]
fn a_body_that_drips_is_given_up_in_time_and_a_slow_one_is_not() {
    for_each_client(async |net, mut client| {
        let begun = net.now();
        let is_slow = net.random_below(2) == 0;
        let pieces = 1 + net.random_below(if is_slow { 60 } else { 20 });
        let body = net.random_bytes(pieces * 2 * MIN_BODY_RATE as usize);
        let more = if is_slow { 0 } else { 1 };
        let head = format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
            body.len() + more
        );
        client.conn.write_all(head.as_bytes()).await?;
        for piece in body.chunks(2 * MIN_BODY_RATE as usize) {
            client.conn.write_all(piece).await?;
            client.rest(Duration::from_secs(2)).await;
        }
        let response = client.read(false, begun).await?;
        if is_slow {
            assert!(response.status == 200 && response.body == body);
            return Ok(());
        }
        assert_eq!((response.status, response.says_close()), (408, true));
        client.expect_end().await?;
        let earned = Duration::from_secs(body.len() as u64 / MIN_BODY_RATE);
        check_wait(net.now() - begun, TIMEOUTS.body.map(|time| time + earned));
        Ok(())
    });
}
