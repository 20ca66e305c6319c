//! Datagrams under every fault.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use evio::{Action, Conn, Handler, Server, Udp};
use evio_sim::{Faults, Net, Options, Result, Simulation, for_each_seed};

const PORT: u16 = 5353;
const LONGEST: usize = 2_000;
const SEEDS: u64 = 1_000;

/// Sends datagrams back, and at once to a socket that nobody has.
struct Echo;

impl Handler for Echo {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, _: &mut Conn<'_>, (): &mut (), _: &[u8]) -> Action {
        Action::None
    }

    fn datagram(
        &mut self,
        socket: &mut Udp<'_>,
        peer: SocketAddr,
        input: &[u8],
    ) -> ControlFlow<()> {
        socket.send_to(input, peer);
        if input.first() == Some(&0) {
            socket.send_to(b"is anybody there?", "10.0.0.7:9".parse().expect("an address"));
        }
        ControlFlow::Continue(())
    }
}

fn address(host: usize) -> String {
    format!("10.0.0.{host}:{PORT}")
}

/// Asks until there is an answer: it comes from the address that was asked.
async fn ask(net: &Net, socket: &mut evio_sim::ClientUdp) -> Result {
    let message = net.random_bytes(1 + net.random_below(LONGEST));
    let server = address(1 + net.random_below(3));
    loop {
        socket.send_to(&message, &server)?;
        loop {
            match net.within(Duration::from_secs(1), socket.recv_from()).await {
                Ok((bytes, peer)) if bytes == message && peer.to_string() == server => {
                    return Ok(());
                }
                // What has been held up may be the answer to an earlier question.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::TimedOut => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn prepare(sim: &mut Simulation) -> Result {
    let bound = if sim.kernel().random_below(2) == 0 {
        vec![format!("udp4://:{PORT}")]
    } else {
        (1..4).map(|host| format!("udp://{}", address(host))).collect()
    };
    sim.serve(Server::bind(&bound)?, Echo)?;
    for client in 0..1 + sim.kernel().random_below(5) {
        sim.client(move |net| async move {
            let mut socket = net.udp(&format!("10.0.0.{}:0", 100 + client))?;
            for _ in 0..5 {
                ask(&net, &mut socket).await?;
            }
            Ok(())
        });
    }
    Ok(())
}

#[test]
fn every_question_is_answered_in_the_end() {
    let summary = for_each_seed(SEEDS, prepare);
    if summary.seeds < SEEDS {
        return;
    }
    let faults = summary.faults;
    for count in [faults.losses, faults.duplicates, faults.delays, faults.refusals, faults.drops] {
        assert!(count > 0, "a fault was never injected: {faults:?}");
    }
}

#[test]
fn without_faults_nothing_is_lost_doubled_or_overtaken() {
    let mut sim = Simulation::with_options(1, Options::default()).unwrap();
    sim.set_faults(Faults::default());
    sim.serve(Server::bind([format!("udp://{}", address(1))]).unwrap(), Echo).unwrap();
    sim.client(|net| async move {
        let mut socket = net.udp("10.0.0.9:0")?;
        for number in 1..=20_u8 {
            socket.send_to(&[number], &address(1))?;
        }
        for number in 1..=20_u8 {
            assert_eq!(socket.recv_from().await?.0, [number]);
        }
        assert!(net.within(Duration::from_secs(1), socket.recv_from()).await.is_err());
        Ok(())
    });
    sim.run();
}

#[test]
fn a_full_buffer_drops_what_comes() {
    let options = Options { recv_buffer: 10_000, ..Options::default() };
    let mut sim = Simulation::with_options(1, options).unwrap();
    sim.client(|net| async move {
        let mut receiver = net.udp("10.0.0.9:9")?;
        let sender = net.udp("10.0.0.8:0")?;
        for number in 0..100_u8 {
            sender.send_to(&[number; 1_000], "10.0.0.9:9")?;
        }
        net.sleep(Duration::from_secs(1)).await;
        let mut numbers = BTreeSet::new();
        while let Ok((bytes, _)) = net.within(Duration::ZERO, receiver.recv_from()).await {
            numbers.insert(bytes[0]);
        }
        assert_eq!(numbers, (0..6).collect(), "the first ones");
        Ok(())
    });
    assert_eq!(sim.run().faults.drops, 94);
}
