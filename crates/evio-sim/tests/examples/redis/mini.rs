//! The redis of five commands, which is one file.

use std::rc::Rc;
use std::time::Duration;

use evio::{Limits, Server};
use evio_sim::{Net, Result, for_each_seed};

use super::LONGEST;
use super::model::Model;
use super::resp::Client;
use crate::ADDRESS;

#[allow(dead_code, reason = "its command line is left out")]
#[path = "../../../../../examples/src/bin/mini-redis.rs"]
mod mini_redis;

async fn talk(net: Rc<Net>, number: usize) -> Result {
    let mut client = Client::connect(&net).await?;
    let mut model = Model::new(number);
    for _ in 0..1 + net.random_below(8) {
        let commands: Vec<_> =
            (0..=net.random_below(20)).map(|_| model.draw_simple(&net)).collect();
        let sent = net.now();
        client.send(&commands).await?;
        for command in &commands {
            let reply = client.read().await?;
            model.run(command, sent, net.now()).check(&reply, command);
        }
        client.rest(Duration::from_secs(10)).await;
    }
    client.send(&[model.draw_simple(&net)]).await?;
    client.conn.shutdown_write()?;
    client.read().await?;
    Ok(client.expect_end().await?)
}

#[test]
fn five_commands_do_what_they_say_whatever_goes_wrong() {
    for_each_seed(200, |sim| {
        sim.set_longest(LONGEST);
        let limits = Limits::default().high_watermark(4_000).low_watermark(1_000);
        let server = Server::bind([format!("tcp://{ADDRESS}")])?.limits(limits);
        sim.serve(server, mini_redis::Store::default())?;
        for number in 0..1 + sim.kernel().random_below(4) {
            sim.client(move |net| talk(net, number));
        }
        Ok(())
    });
}
