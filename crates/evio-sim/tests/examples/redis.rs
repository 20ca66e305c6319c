//! The redis server: random commands against a model, and what connections do to each other.

mod limits;
mod mini;
mod model;
mod resp;
mod together;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use evio::Limits;
use evio_examples::redis::{ClientSettings, Options, Redis, Server};
use evio_sim::{Net, Result, Simulation, for_each_seed};

use self::model::Model;
use self::resp::{Client, Command, Reply, command};
use crate::ADDRESS;

/// How much virtual time a simulation may take.
const LONGEST: Duration = Duration::from_secs(600);

fn settings() -> ClientSettings {
    ClientSettings {
        // Replies often have to wait, even those of small commands.
        limits: Limits::default().high_watermark(4_000).low_watermark(1_000),
        max_output: 1 << 20,
        request_timeout: Some(Duration::from_secs(60)),
        drain_timeout: Duration::from_secs(30),
    }
}

fn serve(sim: &mut Simulation, clients: ClientSettings) -> Result {
    // Ten ticks a second are made meanwhile, also when a client waits in vain.
    sim.set_longest(LONGEST);
    let bound = evio::Server::bind([format!("tcp://{ADDRESS}")])?.limits(clients.limits());
    let server = Server::new(Options { loops: 1, ..Options::default() });
    sim.serve(bound, Redis::new(Arc::new(server), clients, 0))?;
    Ok(())
}

/// What stands in a pipeline: a command, or a transaction that is carried out or not.
enum Item {
    Plain(Command),
    Transaction(Vec<Command>, bool),
}

impl Item {
    fn draw(model: &Model, net: &Net) -> Self {
        if net.random_below(6) > 0 {
            return Self::Plain(model.draw(net));
        }
        let commands = (0..net.random_below(5)).map(|_| model.draw(net)).collect();
        Self::Transaction(commands, net.random_below(4) > 0)
    }

    fn commands(&self) -> Vec<Command> {
        match self {
            Self::Plain(command) => vec![command.clone()],
            Self::Transaction(commands, is_run) => {
                let end = command(if *is_run { "EXEC" } else { "DISCARD" });
                [vec![command("MULTI")], commands.clone(), vec![end]].concat()
            }
        }
    }

    async fn read(&self, client: &mut Client, model: &mut Model, sent: Duration) -> Result {
        let (commands, is_run) = match self {
            Self::Plain(command) => {
                let reply = client.read().await?;
                model.run(command, sent, client.net.now()).check(&reply, command);
                return Ok(());
            }
            Self::Transaction(commands, is_run) => (commands, *is_run),
        };
        assert_eq!(client.read().await?, Reply::simple("OK"));
        for _ in commands {
            assert_eq!(client.read().await?, Reply::simple("QUEUED"));
        }
        match client.read().await? {
            Reply::Array(Some(replies)) if is_run => {
                assert_eq!(replies.len(), commands.len());
                for (command, reply) in commands.iter().zip(&replies) {
                    model.run(command, sent, client.net.now()).check(reply, command);
                }
            }
            end => assert!(!is_run && end == Reply::simple("OK"), "{end:?}"),
        }
        Ok(())
    }
}

/// Sends pipelines of commands on keys of its own, and ends in one of three ways.
async fn talk(net: Rc<Net>, number: usize) -> Result {
    let mut client = Client::connect(&net).await?;
    let mut model = Model::new(number);
    for _ in 0..1 + net.random_below(8) {
        let items: Vec<_> = (0..=net.random_below(20)).map(|_| Item::draw(&model, &net)).collect();
        let commands: Vec<_> = items.iter().flat_map(Item::commands).collect();
        let sent = net.now();
        client.send(&commands).await?;
        for item in &items {
            if net.random_below(8) == 0 {
                client.rest(Duration::from_millis(50)).await;
            }
            item.read(&mut client, &mut model, sent).await?;
        }
        if net.random_below(4) == 0 {
            let longest = [Duration::from_millis(50), Duration::from_secs(5)];
            client.rest(longest[net.random_below(2)]).await;
        }
    }
    end(client, &mut model).await
}

/// Ends a connection: at once, by QUIT, or by the end of the output right behind a command.
async fn end(mut client: Client, model: &mut Model) -> Result {
    let last: Vec<_> = (0..5).map(|_| model.draw(&client.net)).collect();
    let (sent, way) = (client.net.now(), client.net.random_below(3));
    match way {
        0 => return Ok(()),
        1 => {
            // What follows is not carried out.
            let quit = [command("QUIT"), command("ECHO never")];
            client.send(&[&last[..], &quit[..]].concat()).await?;
        }
        _ => {
            client.send(&last).await?;
            client.conn.shutdown_write()?;
        }
    }
    for command in &last {
        let reply = client.read().await?;
        model.run(command, sent, client.net.now()).check(&reply, command);
    }
    if way == 1 {
        assert_eq!(client.read().await?, Reply::simple("OK"));
    }
    Ok(client.expect_end().await?)
}

#[test]
fn commands_do_what_they_say_whatever_goes_wrong() {
    for_each_seed(300, |sim| {
        serve(sim, settings())?;
        for number in 0..1 + sim.kernel().random_below(5) {
            sim.client(move |net| talk(net, number));
        }
        Ok(())
    });
}
