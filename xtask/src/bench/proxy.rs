//! The proxy suite: the example beside haproxy, both in front of the floor's echo server.

use std::fs;
use std::io;

use super::Args;
use super::case::{Case, Core, Load, SMALL};
use super::generator;
use super::outside::{self, Contender, Place, Program, Tool};
use super::peers::{self, Peer};
use super::programs::Server;
use super::progress::Progress;
use super::results::SuiteResults;
use super::run::Run;
use super::table;

/// What the others are compared to.
const HAPROXY: Tool = Tool { program: "haproxy", package: "haproxy", version_option: "-v" };

/// The servers; what all others are compared to comes first.
pub(super) const CONTENDERS: &[Contender] = &[
    Contender {
        name: "haproxy",
        program: Program::Installed(HAPROXY),
        arguments: haproxy_arguments,
    },
    Contender {
        name: "evio",
        program: Program::Built { program: "tcp-proxy", package: "evio" },
        arguments: |place| {
            let (listen, upstream) = (place.address.to_string(), place.upstream()?);
            Ok(["--listen", &listen, "--upstream", upstream].map(str::to_owned).to_vec())
        },
    },
];

/// A task per client, on tokio's current-thread runtime.
pub(super) const TOKIO: Contender = Contender {
    name: "tokio",
    program: Program::Built { program: "tokio-proxy", package: "tokio" },
    arguments: |place| {
        let (port, upstream) = (place.address.port().to_string(), place.upstream()?);
        Ok(["--port", &port, "--upstream", upstream].map(str::to_owned).to_vec())
    },
};

/// One thread that logs nothing and passes on bytes without a look at them.
const CONFIGURATION: &str = r#"
global
  nbthread 1
  maxconn 4096
defaults
  mode tcp
  timeout connect 10s
  timeout client 600s
  timeout server 600s
listen relay
  bind ADDRESS
  server upstream UPSTREAM
"#;

/// Bytes per message: ones that cost more to announce than to copy, ones that fill haproxy's
/// buffer, and ones that fill ours.
const SIZES: [u64; 3] = [64, 16 << 10, 64 << 10];

fn haproxy_arguments(place: &Place) -> io::Result<Vec<String>> {
    let file = place.directory.join("configuration");
    let text = CONFIGURATION.replace("ADDRESS", &place.address.to_string());
    fs::write(&file, text.replace("UPSTREAM", place.upstream()?))?;
    // In the foreground, as a single process.
    Ok(["-db", "-f", &file.display().to_string()].map(str::to_owned).to_vec())
}

/// Measures all cases.
pub(super) fn run(run: &mut Run) -> crate::Result<SuiteResults> {
    let contenders = run.installed(CONTENDERS);
    run.versions.extend(outside::versions(None, &contenders));
    let loads = loads(&run.args);
    let mut progress = Progress::new("proxy", loads.len());
    let mut results = run.suite("proxy");
    for load in loads {
        let case = Case::new(Vec::new(), load);
        progress.begin(&case.title);
        let servers = serve(run, &contenders)?;
        let mut driven =
            generator::drive(&run.programs, &run.children, &servers, load, |done, total| {
                progress.advance(done, total);
            })?;
        run.children.end_all();
        if contenders.first().is_none_or(|first| first.name != CONTENDERS[0].name) {
            // Without the server that the others are compared to there are no ratios.
            driven.iter_mut().for_each(|driven| driven.results.cpu_ratio = None);
        }
        results.cases.push(case.results(driven.into_iter().map(|one| one.results).collect()));
        progress.print(&table::render(results.cases.last().expect("one was just pushed")));
    }
    Ok(results)
}

fn loads(args: &Args) -> Vec<Load> {
    let connections = args.connections.unwrap_or(SMALL.connections);
    let sizes = args.size.map_or(SIZES.to_vec(), |size| vec![size]);
    let pipeline = args.pipeline.unwrap_or(SMALL.pipeline);
    let seconds = args.duration();
    let load = |size| Load { connections, size, pipeline, seconds, ..SMALL };
    sizes.into_iter().map(load).collect()
}

/// Starts the proxies, and what they are in front of.
fn serve(run: &mut Run, contenders: &[Contender]) -> crate::Result<Vec<Server>> {
    let upstream = upstream(run, peers::FLOOR)?;
    let servers = run.serve_in_front_of(Some(&upstream), contenders)?;
    let server = |server: outside::Server| Server {
        name: server.name.to_owned(),
        endpoint: format!("tcp://{}", server.place.address),
        pid: server.pid,
    };
    Ok(servers.into_iter().map(server).collect())
}

/// Starts a server for proxies to be in front of, away from the core that is measured. Returns its
/// address.
pub(super) fn upstream(run: &mut Run, peer: Peer) -> crate::Result<String> {
    let mut entries = run.entries(&[peer])?;
    entries.iter_mut().for_each(|entry| entry.core = Core::Generator);
    let servers = run.programs.serve(&entries, &run.children)?;
    let server = servers.first().ok_or("there is no server behind the proxies")?;
    Ok(server.endpoint.trim_start_matches("tcp://").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches;

    #[test]
    fn options_choose_the_cases() {
        let keys = |arguments: &[&str]| -> Vec<String> {
            let command = <Args as clap::Args>::augment_args(clap::Command::new("bench"));
            let matches = command.try_get_matches_from(["bench"].iter().chain(arguments)).unwrap();
            let args = Args::from_arg_matches(&matches).unwrap();
            loads(&args).into_iter().map(|load| Case::new(Vec::new(), load).key).collect()
        };
        assert_eq!(keys(&["--quick"]), ["c50-s64-p1", "c50-s16384-p1", "c50-s65536-p1"]);
        assert_eq!(keys(&["--size", "9", "--connections", "7"]), ["c7-s9-p1"]);
    }

    #[test]
    fn a_proxy_is_told_where_to_listen_and_where_to_connect() {
        let directory = std::env::temp_dir().join(format!("evio-proxy-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let address = "127.0.0.1:1".parse().unwrap();
        let mut place = Place { address, directory, upstream: Some("127.0.0.1:2".to_owned()) };
        let told = (CONTENDERS[1].arguments)(&place).unwrap();
        assert_eq!(told, ["--listen", "127.0.0.1:1", "--upstream", "127.0.0.1:2"]);
        let told = (CONTENDERS[0].arguments)(&place).unwrap();
        let text = fs::read_to_string(told.last().unwrap()).unwrap();
        assert!(text.contains("bind 127.0.0.1:1\n  server upstream 127.0.0.1:2"), "{text}");
        place.upstream = None;
        assert!((CONTENDERS[0].arguments)(&place).is_err());
        fs::remove_dir_all(place.directory).unwrap();
    }
}
