//! The HTTP suite: the example server beside nginx, haproxy and hyper, driven by wrk.

use std::fs;
use std::io::{self, Read, Write};

use super::driver::{self, Driver};
use super::outside::{Contender, Place, Program, Server, Tool};
use super::results::{Latency, SuiteResults};
use super::run::Run;
use super::turns::Outcome;

/// The servers; what all others are compared to comes first.
pub(super) const CONTENDERS: &[Contender] = &[
    Contender {
        name: "nginx",
        program: Program::Installed(Tool {
            program: "nginx",
            package: "nginx-light",
            version_option: "-v",
        }),
        arguments: nginx_arguments,
    },
    Contender {
        name: "floor",
        program: Program::Built { program: "floor-http", package: "evio-benchmarks" },
        arguments: |place| Ok(port(place)),
    },
    Contender {
        name: "evio",
        program: Program::Built { program: "http-server", package: "evio" },
        arguments: |place| Ok(port(place)),
    },
    Contender {
        name: "evio, 2 loops",
        program: Program::Built { program: "http-server", package: "evio" },
        arguments: |place| Ok(on_two_loops(port(place))),
    },
    Contender {
        name: "hyper",
        program: Program::Built { program: "hyper-http", package: "hyper" },
        arguments: |place| Ok(port(place)),
    },
    Contender {
        name: "haproxy",
        program: Program::Installed(Tool {
            program: "haproxy",
            package: "haproxy",
            version_option: "-v",
        }),
        arguments: haproxy_arguments,
    },
];

pub(super) const WRK: Tool = Tool { program: "wrk", package: "wrk", version_option: "-v" };

/// Connections to the server.
const CONNECTIONS: u32 = 50;

/// Seconds that a turn takes: wrk knows no less.
const TURN: f64 = 1.0;

/// The page of the example, which every server answers.
const PAGE: &str = "Hello World!\r\n";

/// A load on the servers.
#[derive(Debug, Clone, Copy)]
struct Load {
    key: &'static str,
    title: &'static str,
    pipeline: u32,
    /// Whether connections are kept after the first reply.
    keep: bool,
}

const LOADS: &[Load] = &[
    Load { key: "get-1", title: "GET, 1 in flight", pipeline: 1, keep: true },
    Load { key: "get-16", title: "GET, 16 in flight", pipeline: 16, keep: true },
    Load { key: "connect", title: "connect, GET, close", pipeline: 1, keep: false },
];

/// Repeats the request as often as the first argument says, and prints the figures in a form that
/// is easy to read.
const SCRIPT: &str = r#"
local batch
function init(arguments)
  batch = wrk.format():rep(tonumber(arguments[1]))
end
function request()
  return batch
end
function done(summary, latency)
  local errors = 0
  for _, count in pairs(summary.errors) do errors = errors + count end
  io.write(string.format("figures %d %d %d %d %d %d\n", summary.requests, summary.duration,
    errors, latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
"#;

/// A server that does what the others do: one process, one thread, nothing logged, and connections
/// that live as long as the client wants. Without its master process there is none left behind when
/// the server is killed.
const NGINX: &str = r#"
daemon off;
master_process off;
error_log stderr;
pid nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  client_max_body_size 0;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen ADDRESS;
    location / { default_type text/plain; return 200 "Hello World!\r\n"; }
  }
}
"#;

const HAPROXY: &str = r#"
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout client 600s
  timeout http-keep-alive 600s
frontend hello
  bind ADDRESS
  http-request return status 200 content-type text/plain string "Hello World!\r\n"
"#;

/// Returns the arguments of a server that wants only a port.
pub(super) fn port(place: &Place) -> Vec<String> {
    vec!["--port".to_owned(), place.address.port().to_string()]
}

/// Adds the options that spread connections over two loops. All servers share one core, so the
/// ratio to one loop is what sharing costs.
pub(super) fn on_two_loops(mut arguments: Vec<String>) -> Vec<String> {
    arguments.extend(["--loops", "2"].map(str::to_owned));
    arguments
}

fn nginx_arguments(place: &Place) -> io::Result<Vec<String>> {
    let file = write_configuration(place, NGINX)?;
    // The relative paths of the configuration are below the prefix.
    let prefix = format!("{}/", place.directory.display());
    Ok(["-p", &prefix, "-c", &file, "-e", "stderr"].map(str::to_owned).to_vec())
}

fn haproxy_arguments(place: &Place) -> io::Result<Vec<String>> {
    // In the foreground, as a single process.
    Ok(["-db", "-f", &write_configuration(place, HAPROXY)?].map(str::to_owned).to_vec())
}

/// Writes a server's configuration and returns the file's path.
fn write_configuration(place: &Place, text: &str) -> io::Result<String> {
    let file = place.directory.join("configuration");
    fs::write(&file, text.replace("ADDRESS", &place.address.to_string()))?;
    Ok(file.display().to_string())
}

/// Drives HTTP servers.
struct Wrk {
    /// Where the script is.
    script: String,
}

impl Driver for Wrk {
    type Load = Load;

    const SUITE: &'static str = "http";
    const TOOL: Tool = WRK;
    const CONTENDERS: &'static [Contender] = CONTENDERS;
    const LOADS: &'static [Load] = LOADS;
    const TURN: f64 = TURN;

    fn name(load: &Load) -> (&'static str, &'static str) {
        (load.key, load.title)
    }

    fn prepare(&mut self, _: &Run, servers: &[Server], _: &Load) -> crate::Result {
        servers.iter().try_for_each(check)
    }

    fn turn(&self, run: &Run, server: &Server, load: &Load) -> crate::Result<Outcome> {
        let printed = run.drive_with(WRK, &self.arguments(server, load))?;
        parse_figures(&printed, load).ok_or_else(|| format!("wrk printed {printed}").into())
    }
}

impl Wrk {
    fn arguments(&self, server: &Server, load: &Load) -> Vec<String> {
        let mut arguments =
            vec!["-t1".to_owned(), format!("-c{CONNECTIONS}"), format!("-d{TURN}s")];
        arguments.extend(["-s".to_owned(), self.script.clone()]);
        if !load.keep {
            arguments.extend(["-H", "Connection: close"].map(str::to_owned));
        }
        arguments.push(format!("http://{}/", server.place.address));
        arguments.extend(["--".to_owned(), load.pipeline.to_string()]);
        arguments
    }
}

/// Checks one reply, because wrk looks at the status only.
fn check(server: &Server) -> crate::Result {
    let mut stream = server.connect()?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    let body = reply.split_once("\r\n\r\n").map(|(_, body)| body);
    if !reply.starts_with("HTTP/1.1 200 ") || body != Some(PAGE) {
        return Err(format!("{} answers {reply:?}", server.name).into());
    }
    Ok(())
}

/// Reads the line that the script prints, if all went well.
///
/// wrk corrects its percentiles for requests that a stalled server was not asked, and takes each
/// request of a batch for a round trip of its own when it does so: with several in flight they mean
/// nothing.
fn parse_figures(printed: &str, load: &Load) -> Option<Outcome> {
    let line = printed.lines().find_map(|line| line.strip_prefix("figures "))?;
    let figures: Vec<u64> =
        line.split(' ').map(|figure| figure.parse().ok()).collect::<Option<_>>()?;
    let &[requests, micros, 0, p50, p99, p999] = figures.as_slice() else { return None };
    Some(Outcome {
        requests,
        requests_per_second: requests as f64 * 1e6 / micros as f64,
        latency: (load.pipeline == 1).then_some(Latency {
            p50: p50 as f64,
            p99: p99 as f64,
            p999: p999 as f64,
        }),
    })
}

/// Measures all cases.
pub(super) fn run(run: &mut Run) -> crate::Result<SuiteResults> {
    let script = run.programs.scratch().join("wrk.lua");
    fs::create_dir_all(run.programs.scratch())?;
    fs::write(&script, SCRIPT)?;
    driver::measure(run, Wrk { script: script.display().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_script() {
        let printed = "Running 1s test\n  Requests/sec: 1\nfigures 30000 2000000 0 150 900 1200\n";
        let outcome = parse_figures(printed, &LOADS[0]).unwrap();
        assert_eq!((outcome.requests, outcome.requests_per_second), (30_000, 15_000.0));
        assert_eq!(outcome.latency, Some(Latency { p50: 150.0, p99: 900.0, p999: 1200.0 }));
        assert_eq!(parse_figures(printed, &LOADS[1]).unwrap().latency, None);
        let failed = printed.replace(" 0 150", " 1 150");
        for bad in ["", "figures 1 2 0 4 5\n", "figures 1 2 0 a 5 6\n", &failed] {
            assert_eq!(parse_figures(bad, &LOADS[0]), None, "{bad:?}");
        }
    }

    #[test]
    fn configurations_have_the_page() {
        let escaped = PAGE.escape_default().to_string();
        assert!(NGINX.contains(&escaped) && HAPROXY.contains(&escaped), "{escaped}");
    }
}
