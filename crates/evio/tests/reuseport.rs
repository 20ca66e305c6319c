//! `reuseport=true`: several sockets on one port, of one server or of many.

mod util;

use std::collections::HashSet;

use evio::{Action, Events, Server};

use util::{Client, bind, bind_all, reports, start, start_each};

/// The kernel chooses a server for each connection by its ports; that all of them go to the same
/// one of five has a chance of one in 5^99.
const CONNECTIONS: usize = 100;

#[test]
fn five_servers_share_a_port() {
    if util::left_out_without_shared_ports() {
        return;
    }
    let (answers, answered) = reports();
    let first = bind("tcp://127.0.0.1:0?reuseport=true");
    let address = format!("{}?reuseport=yes", first.local_addrs()[0]);
    let mut servers = vec![first];
    servers.extend((1..5).map(|_| bind(&address)));
    let servers: Vec<_> = servers
        .into_iter()
        .enumerate()
        .map(|(number, server)| {
            let answers = answers.clone();
            start(server, move || {
                Events::new().data(move |conn, _, input| {
                    answers.send(number).unwrap();
                    conn.write(input);
                    Action::None
                })
            })
        })
        .collect();
    for _ in 0..CONNECTIONS {
        servers[0].connect().echo(b"who is there?");
    }
    for server in servers {
        server.stop();
    }
    let answers = answered.rest();
    assert_eq!(answers.len(), CONNECTIONS);
    assert!(HashSet::<usize>::from_iter(answers).len() > 1, "one server got everything");
}

/// A port that the system chooses is nobody else's, although all of them may be shared. So many
/// random ports of 28,000 would have some twice.
#[test]
fn a_chosen_port_belongs_to_one_server() {
    if util::left_out_without_shared_ports() {
        return;
    }
    for (address, count) in [("udp://127.0.0.1:0", 700), ("udp://:0", 10), ("tcp://:0", 10)] {
        let address = format!("{address}?reuseport=true");
        let servers: Vec<_> = (0..count).map(|_| bind(&address)).collect();
        let port = |server: &Server| server.local_addrs()[0].addr().as_inet().unwrap().port();
        let ports = HashSet::<u16>::from_iter(servers.iter().map(port));
        assert_eq!(ports.len(), servers.len(), "{address}");
        // It can be shared by whoever names it.
        let shared = format!("{}?reuseport=true", servers[0].local_addrs()[0]);
        drop(bind(&shared));
    }
}

/// A server of several loops has a listener for each; the connections stay where they come in.
#[test]
fn a_server_with_several_loops_shares_a_port_with_itself() {
    if util::left_out_without_shared_ports() {
        return;
    }
    for loops in [1, 2, 5] {
        let (answers, answered) = reports();
        let server = bind("tcp://127.0.0.1:0?reuseport=true");
        assert_eq!(server.local_addrs().len(), 1);
        let server = start_each(server, loops, move |loop_id| {
            let answers = answers.clone();
            Events::new()
                .serving(|_, serving| {
                    assert_eq!(serving.local_addrs().len(), 1, "one address however many sockets");
                    std::ops::ControlFlow::Continue(())
                })
                .data(move |conn, _, input| {
                    assert_eq!(conn.id().loop_id(), loop_id);
                    assert_eq!(conn.address_index(), Some(0));
                    answers.send(loop_id).unwrap();
                    conn.write(input);
                    Action::None
                })
        });
        // Who comes before the server runs finds one listener only.
        server.connect().echo(b"are you there?");
        let clients: Vec<Client> = (0..CONNECTIONS).map(|_| server.connect()).collect();
        for client in &clients {
            client.echo(b"which loop?");
        }
        server.stop();
        let answers = answered.rest();
        assert_eq!(answers.len(), CONNECTIONS + 1);
        let seen = HashSet::<usize>::from_iter(answers).len();
        assert_eq!(seen > 1, loops > 1, "{seen} of {loops} loops were reached");
    }
}

/// Some addresses with the option and some without, on the same server.
#[test]
fn addresses_with_and_without_reuseport_go_together() {
    if util::left_out_without_shared_ports() {
        return;
    }
    let addresses =
        ["tcp://127.0.0.1:0", "tcp://127.0.0.1:0?reuseport=1", "tcp://127.0.0.1:0?reuseport=false"];
    let server = start_each(bind_all(addresses), 3, |_| {
        Events::new().data(|conn, _, input| {
            conn.write(input);
            conn.write(&[conn.address_index().unwrap() as u8]);
            Action::None
        })
    });
    for (index, bound) in server.addrs().iter().enumerate() {
        assert_eq!(usize::from(bound.index()), index);
        let client = Client::connect(bound.addr());
        client.send(b"index");
        assert_eq!(client.receive(6), [b"index", &[index as u8][..]].concat());
    }
    server.stop();
}
