//! A server that redis clients can use. Try it with `redis-cli -p 6380`.
//!
//! `mini-redis` is the one to read first. This one is a command line; it goes on with the callbacks
//! of [`Redis`], and `redis.rs` says where to read on.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use evio_examples::cli::{self, ClientLimits, Listen, Timeout};
use evio_examples::redis::{self, AppendOnly, COMMANDS, ClientSettings, Redis, Server};

/// Serves redis commands from memory. Ctrl-C or the command SHUTDOWN ends it.
#[derive(Parser)]
#[command(name = "redis-server", version, after_help = format!("Commands:{COMMANDS}"))]
// As in redis: clients with a pool of connections do not expect theirs to be closed.
#[command(mut_arg("idle_timeout", |argument| argument.default_value("off")))]
struct Options {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 6380)]
    port: u16,
    /// Memory for keys and values, about; writes are refused beyond it. 0 is no limit
    #[arg(long, value_name = "BYTES", default_value = "1gb")]
    #[arg(value_parser = cli::bytes::<usize>(..))]
    maxmemory: usize,
    /// Keep the keys in this file: every change is on the disk before it is confirmed
    #[arg(long, value_name = "FILE")]
    appendonly: Option<PathBuf>,
    /// Once that file is so long, write it anew whenever it has doubled, as BGREWRITEAOF does; that
    /// takes the memory of the keys, and room on the disk for them, once more for a while
    #[arg(long, value_name = "BYTES", default_value = "64mb")]
    #[arg(value_parser = cli::bytes::<usize>(..))]
    auto_aof_rewrite_min_size: usize,
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    clients: ClientLimits,
    /// Close a connection whose command, the first one included, is not whole after so long
    #[arg(long, value_name = "TIME", default_value = "1m")]
    request_timeout: Timeout,
    /// Longest reply, with those before it that wait to be sent, 1mb at least; the client is told
    /// otherwise
    #[arg(long, value_name = "BYTES", default_value = "1gb")]
    #[arg(value_parser = cli::bytes::<usize>(MIN_MAX_OUTPUT..))]
    max_output: usize,
}

/// The least limit of output: the replies to commands that come together are some 256 KiB before
/// the next one has to wait, and with a limit near that, short ones would be refused.
const MIN_MAX_OUTPUT: usize = 1 << 20;

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(|| run(&options))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let (listen, clients) = (&options.listen, &options.clients);
    let settings = ClientSettings {
        limits: clients.limits(),
        max_output: options.max_output,
        request_timeout: options.request_timeout.0,
        drain_timeout: clients.drain_timeout,
    };
    let bound = listen.bind("tcp", options.port)?.limits(settings.limits());
    let inet = bound.local_addrs().iter().find_map(|address| address.addr().as_inet());
    let mut server = Server::new(redis::Options {
        loops: listen.loops().count(),
        max_memory: options.maxmemory,
        appends: options.appendonly.is_some(),
        port: inet.map_or(options.port, |address| address.port()),
        max_clients: clients.max_connections,
        idle_timeout: clients.idle_timeout.0,
    });
    let min_rewrite_len = options.auto_aof_rewrite_min_size as u64;
    let open = |path: &Path| AppendOnly::open(path, &server, min_rewrite_len);
    let append_only = options.appendonly.as_deref().map(open).transpose()?;
    if let Some(file) = &append_only {
        server = server.with_log(Box::new(Arc::clone(file)));
    }
    let server = Arc::new(server);
    cli::start(bound, clients)?.run_each(listen.loops(), |loop_id| {
        Redis::new(Arc::clone(&server), settings.clone(), loop_id).append_only(append_only.clone())
    })?;
    Ok(())
}
