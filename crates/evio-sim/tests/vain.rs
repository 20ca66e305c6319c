//! Turns of a loop in which nothing comes about, and whose fault they are.

use std::time::Duration;

use evio::{Action, Events, Server};
use evio_sim::{Faults, Options, Simulation};
use evio_sys::sim::Interface;

const ADDRESS: &str = "10.0.0.1:80";

fn server() -> Server {
    Server::bind([format!("tcp://{ADDRESS}")]).expect("an address")
}

#[test]
fn a_loop_whose_connections_another_accepts_does_not_look_in_vain() {
    let options = Options { interface: Interface::Kqueue, ..Options::default() };
    let mut sim = Simulation::with_options(1, options).unwrap();
    let echo = |_| {
        Events::new().data(|conn, _, input| {
            conn.write(input);
            Action::None
        })
    };
    sim.serve_each(server(), 8, echo).unwrap();
    sim.client(|net| async move {
        for _ in 0..1_000 {
            let mut conn = net.connect(ADDRESS).await?;
            conn.write_all(b"x").await?;
            conn.read_exact(1).await?;
        }
        Ok(())
    });
    sim.run();
}

#[test]
fn a_loop_that_is_woken_for_tasks_does_not_look_in_vain() {
    let mut sim = Simulation::with_options(1, Options::default()).unwrap();
    let server = server();
    let handle = server.handle();
    sim.serve(server, Events::new().data(|_, _, _| Action::None)).unwrap();
    sim.client(|net| async move {
        for _ in 0..1_000 {
            net.sleep(Duration::from_micros(100)).await;
            handle.event_loop(0).expect("it runs").post(|_| ()).ok();
        }
        Ok(())
    });
    sim.run();
}

#[test]
fn a_socket_that_is_told_that_nobody_is_there_does_not_look_in_vain() {
    let faults = Faults { refuse: 1.0, delay: 1.0, ..Faults::default() };
    let mut sim = Simulation::with_options(1, Options { faults, ..Options::default() }).unwrap();
    let replies = Events::new().datagram(|socket, peer, input| {
        for _ in 0..10 {
            socket.send_to(input, peer);
        }
        std::ops::ControlFlow::Continue(())
    });
    sim.serve(Server::bind(["udp://10.0.0.1:53"]).unwrap(), replies).unwrap();
    sim.client(|net| async move {
        for _ in 0..100 {
            let socket = net.udp("10.0.0.9:0")?;
            socket.send_to(b"x", "10.0.0.1:53")?;
            net.sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    });
    sim.run();
}
