//! An MQTT broker. Try it with `mosquitto_sub -V mqttv311 -t '#' -v`, and
//! `mosquitto_pub -V mqttv311 -t greeting -m hello` beside it.
//!
//! Each loop has a [`Broker`] with clients of its own, and tells the others by messages what they
//! publish. `mqtt.rs` says where to read on.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use clap::Parser;
use evio_examples::cli::{self, ClientLimits, Listen, Timeout};
use evio_examples::mqtt::{Bounds, Broker, Settings};

/// A broker of MQTT 3.1.1, QoS 0 and 1. Ctrl-C ends it.
///
/// Sessions end with their connection, and everybody is let in. Clients that publish faster than a
/// subscriber reads have to wait for it, so nobody who reads loses a message. A subscriber that
/// takes nothing, or too little for too long, is cut off.
#[derive(Parser)]
#[command(name = "mqtt-broker", version)]
// Clients say themselves how long they may be silent.
#[command(mut_arg("idle_timeout", |argument| argument.default_value("off")))]
struct Options {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 1883)]
    port: u16,
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    clients: ClientLimits,
    /// Cut off a client that has more than 64 KiB to read, or some 500 messages to acknowledge, all
    /// that time
    #[arg(long, value_name = "TIME", default_value = "2m")]
    congestion_timeout: Timeout,
    /// Longest packet of a client; a longer one ends its connection
    #[arg(long, value_name = "BYTES", default_value = "256kb")]
    #[arg(value_parser = cli::bytes::<usize>(64..=MAX_MAX_PACKET))]
    max_packet: usize,
    /// Cut off a client for which more waits than this. Its publishers wait long before, and 4 MiB
    /// of retained messages may come at once
    #[arg(long, value_name = "BYTES", default_value = "16mb")]
    #[arg(value_parser = cli::bytes::<usize>(MIN_MAX_OUTPUT..))]
    max_output: usize,
}

/// The least limit of output: the retained messages, what all publishers may owe, and on two loops
/// a packet for each that goes beyond that. The default is enough for 32 loops.
const MIN_MAX_OUTPUT: usize = 8 << 20;

/// The largest limit of packets; see [`MIN_MAX_OUTPUT`].
const MAX_MAX_PACKET: usize = 256 << 10;

/// Mailboxes have room for all messages that may be on their way: those that publishers owe, and
/// one for each client that comes, leaves with a will, or is woken.
const MAILBOX: usize = 1 << 20;

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(|| run(&options))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let Options { port, listen, clients, congestion_timeout, max_packet, max_output } = options;
    let limits = clients.limits();
    let limits = limits.max_output(*max_output).congestion_timeout(congestion_timeout.0);
    let server = listen.bind("tcp", *port)?.limits(limits);
    let server = server.mailbox_bytes(usize::MAX).mailbox_capacity(MAILBOX);
    let settings = Settings {
        max_packet: *max_packet,
        patience: congestion_timeout.0,
        bounds: Bounds::default(),
        stamps: Arc::new(AtomicU64::new(0)),
    };
    let make = |here| Broker::new(&here, settings.clone());
    cli::start(server, clients)?.run_each_with(listen.loops(), make)?;
    Ok(())
}
