//! `INFO`: <https://redis.io/docs/latest/commands/info/>.

use std::fmt::Write;

use super::VERSION;
use super::call::{Call, Failure};
use super::channels::Kind;

/// A section: its name, and the function that writes its lines.
type Section = (&'static str, fn(&mut Call<'_, '_>, &mut String));

/// The sections of redis that there are here, with the fields that mean the same.
const SECTIONS: [Section; 6] = [
    ("Server", server),
    ("Clients", clients),
    ("Memory", memory),
    ("Persistence", persistence),
    ("Stats", stats),
    ("Keyspace", keyspace),
];

/// `INFO [section...]`
pub(super) fn info(call: &mut Call<'_, '_>) -> Result<(), Failure> {
    let asked: Vec<_> = call.command.iter_from(1).map(<[u8]>::to_ascii_lowercase).collect();
    let is_asked = |name: &str| {
        let all = [b"all".as_slice(), b"default", b"everything"];
        asked.is_empty()
            || asked
                .iter()
                .any(|asked| asked.eq_ignore_ascii_case(name.as_bytes()) || all.contains(&&**asked))
    };
    let mut text = String::new();
    for (name, write) in SECTIONS.iter().filter(|(name, _)| is_asked(name)) {
        if !text.is_empty() {
            text += "\r\n";
        }
        let _ = write!(text, "# {name}\r\n");
        write(call, &mut text);
    }
    call.reply.verbatim(text);
    Ok(())
}

fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = write!(text, "{name}:{value}\r\n");
}

fn server(call: &mut Call<'_, '_>, text: &mut String) {
    let server = call.server();
    let uptime = server.started.elapsed().as_secs();
    line(text, "redis_version", VERSION);
    line(text, "redis_mode", "standalone");
    line(text, "os", std::env::consts::OS);
    line(text, "multiplexing_api", evio::BACKEND);
    line(text, "arch_bits", usize::BITS);
    line(text, "process_id", std::process::id());
    line(text, "run_id", &server.run_id);
    line(text, "tcp_port", server.options.port);
    line(text, "uptime_in_seconds", uptime);
    line(text, "uptime_in_days", uptime / 86_400);
    line(text, "io_threads_active", usize::from(server.options.loops > 1));
}

fn clients(call: &mut Call<'_, '_>, text: &mut String) {
    let server = call.server();
    line(text, "connected_clients", server.clients.len());
    line(text, "maxclients", server.options.max_clients);
    line(text, "blocked_clients", 0);
}

fn memory(call: &mut Call<'_, '_>, text: &mut String) {
    let server = call.server();
    let (used, max) = (server.store.used_memory(), server.store.max_memory());
    line(text, "used_memory", used);
    line(text, "used_memory_human", human(used));
    line(text, "maxmemory", max);
    line(text, "maxmemory_human", human(max));
    line(text, "maxmemory_policy", "noeviction");
}

fn persistence(call: &mut Call<'_, '_>, text: &mut String) {
    let server = call.server();
    line(text, "loading", 0);
    line(text, "aof_enabled", u8::from(server.options.appends));
    let Some(log) = server.store.log() else { return };
    let status = log.status();
    let last = if status.has_failed_to_rewrite { "err" } else { "ok" };
    line(text, "aof_rewrite_in_progress", u8::from(status.is_rewriting));
    line(text, "aof_last_bgrewrite_status", last);
    line(text, "aof_last_write_status", if log.refuses() { "err" } else { "ok" });
    line(text, "aof_current_size", status.len);
    line(text, "aof_base_size", status.base_len);
}

fn stats(call: &mut Call<'_, '_>, text: &mut String) {
    let server = call.server();
    line(text, "total_connections_received", server.clients.total());
    line(text, "total_commands_processed", server.commands());
    line(text, "expired_keys", server.expired());
    line(text, "evicted_keys", 0);
    let (channels, patterns) =
        (server.channels.count(Kind::Channel), server.channels.count(Kind::Pattern));
    call.work(channels + patterns);
    line(text, "pubsub_channels", channels);
    line(text, "pubsub_patterns", patterns);
}

fn keyspace(call: &mut Call<'_, '_>, text: &mut String) {
    let (keys, expiring) = (call.store.len(), call.store.expiring());
    if keys > 0 {
        line(text, "db0", format_args!("keys={keys},expires={expiring},avg_ttl=0"));
    }
}

/// Writes a number of bytes with its unit, as redis does.
fn human(bytes: usize) -> String {
    let units = ["B", "K", "M", "G", "T"];
    let step = (1..units.len()).rev().find(|&step| bytes >> (10 * step) > 0).unwrap_or(0);
    match step {
        0 => format!("{bytes}B"),
        _ => format!("{:.2}{}", bytes as f64 / f64::from(1 << (10 * step).min(30)), units[step]),
    }
}
