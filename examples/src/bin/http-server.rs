//! Answers HTTP/1.1 requests with a page, or with files. Try it with `curl -i 127.0.0.1:8080`, or
//! with `--dir DIR --index` and a browser.
//!
//! `POST /echo` answers with what it was sent: `curl --data-binary @FILE 127.0.0.1:8080/echo`.

use std::error::Error;
use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use clap::Parser;
use evio_examples::cli::{self, ClientLimits, Descriptors, Listen, Timeout};
use evio_examples::http::{
    AccessLog, Answer, Body, DEFAULT_MAX_BODY, Date, HttpServer, KeptRequest, Page, Reply,
    ReplyBody, Request, Response, Service, Status, Timeouts,
    files::{self, Files},
};
use evio_examples::logger::{Lines, LinesGuard};

/// Answers HTTP/1.1 requests with a page, or with files. Ctrl-C ends it.
///
/// POST /echo is answered with the body that it was sent; there is no other path for POST.
#[derive(Parser)]
#[command(name = "http-server", version)]
struct Options {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Size of the page in bytes, instead of a greeting
    #[arg(long, value_name = "BYTES", value_parser = cli::bytes::<u32>(..=1 << 30))]
    body: Option<u32>,
    /// Serve the files beneath this directory instead of a page
    #[arg(long, value_name = "DIR", conflicts_with = "body")]
    dir: Option<PathBuf>,
    /// List directories that have no index.html
    #[arg(long, requires = "dir")]
    index: bool,
    /// Log each request to this file, or to standard output if it is "-"
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    clients: ClientLimits,
    #[command(flatten)]
    requests: RequestLimits,
}

/// Limits for requests.
#[derive(clap::Args)]
#[command(next_help_heading = "Requests")]
struct RequestLimits {
    /// Longest body in bytes
    #[arg(long, value_name = "BYTES", default_value_t = DEFAULT_MAX_BODY)]
    #[arg(value_parser = cli::bytes::<u64>(..))]
    max_body: u64,
    /// Give up a head that is not whole after so long: 30s, 1m, or off
    #[arg(long, value_name = "TIME", default_value = "30s")]
    header_timeout: Timeout,
    /// Give up a body that is not whole after so long, and a second for each KiB that has come
    #[arg(long, value_name = "TIME", default_value = "30s")]
    body_timeout: Timeout,
    /// Close a connection that asks for nothing more for so long
    #[arg(long, value_name = "TIME", default_value = "1m")]
    keep_alive_timeout: Timeout,
}

/// What this server does with requests.
#[derive(Clone)]
pub(crate) struct Site {
    page: Page,
    /// What is served instead of the page.
    files: Option<Arc<Files>>,
    date: Date,
}

impl Site {
    /// Makes a site of one page.
    pub(crate) fn new(page: Vec<u8>) -> Self {
        let date = Date::new(SystemTime::now());
        Self { page: Page::new("text/plain", page, &date), files: None, date }
    }
}

/// What is kept of a request until it is whole.
pub(crate) enum Pending {
    Page,
    /// The file is opened when the body has come: until then it would take a descriptor.
    File(Arc<Files>, KeptRequest),
    /// The body so far.
    Echo(Vec<u8>),
}

impl Service for Site {
    type Pending = Pending;

    fn begin(&mut self, request: &Request<'_>) -> Answer<Pending> {
        match (request.method, request.path()) {
            ("POST", "/echo") => Answer::Later(Pending::Echo(Vec::new())),
            ("GET" | "HEAD", path) if path != "/echo" => match &self.files {
                None => Answer::Later(Pending::Page),
                Some(files) if request.body == Body::Empty || request.expects_continue => {
                    Answer::Now(files.respond(request, &self.date))
                }
                Some(files) => Answer::Later(Pending::File(Arc::clone(files), request.keep())),
            },
            ("OPTIONS", path) => {
                Answer::Now(Response::new(Status::NO_CONTENT).field("Allow", methods(path)))
            }
            (_, path) => {
                let refusal = Response::error(Status::METHOD_NOT_ALLOWED);
                Answer::Now(refusal.field("Allow", methods(path)))
            }
        }
    }

    fn body(&mut self, pending: &mut Pending, piece: &[u8]) -> Result<(), Status> {
        if let Pending::Echo(body) = pending {
            body.extend_from_slice(piece);
        }
        Ok(())
    }

    fn finish(&mut self, pending: Pending) -> Reply<'_> {
        match pending {
            Pending::Page => (&self.page).into(),
            Pending::File(files, request) => files.respond(&request.get(), &self.date).into(),
            Pending::Echo(body) => Response::new(Status::OK)
                .field("Content-Type", "application/octet-stream")
                .body(ReplyBody::Owned(body))
                .into(),
        }
    }

    fn set_date(&mut self, date: &Date) {
        self.date = *date;
        self.page.set_date(date);
    }
}

/// Returns the methods that a path has; `*` stands for all paths.
fn methods(path: &str) -> &'static str {
    match path {
        "*" => "GET, HEAD, POST, OPTIONS",
        "/echo" => "POST, OPTIONS",
        _ => "GET, HEAD, OPTIONS",
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(|| run(&options))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let body = match options.body {
        Some(size) => vec![b'x'; size as usize],
        None => b"Hello World!\r\n".to_vec(),
    };
    let mut site = Site::new(body);
    if let Some(dir) = &options.dir {
        let config = files::Config { list_directories: options.index, ..files::Config::default() };
        site.files = Some(Arc::new(Files::open(dir, config)?));
    }
    let (access_log, _guard) = open_log(options)?.unzip();
    let RequestLimits { max_body, header_timeout, body_timeout, keep_alive_timeout } =
        options.requests;
    let timeouts =
        Timeouts { head: header_timeout.0, body: body_timeout.0, keep_alive: keep_alive_timeout.0 };

    let server = options.listen.bind("tcp", options.port)?.limits(options.clients.limits());
    // A client that is sent a file takes one for its connection, and one for the file.
    let per_client = if options.dir.is_some() { 2 } else { 1 };
    let loops = options.listen.loops();
    let descriptors = Descriptors { per_client, loops: loops.count(), others: 0 };
    let server = cli::start_with(server, &options.clients, descriptors)?;
    server.run_each(loops, |_loop_id| {
        HttpServer::new(site.clone())
            .timeouts(timeouts)
            .max_body(max_body)
            .access_log(access_log.clone())
    })?;
    Ok(())
}

/// Opens the access log, if there is to be one; lines are added to a file that is there.
fn open_log(options: &Options) -> Result<Option<(AccessLog, LinesGuard)>, String> {
    let Some(path) = &options.access_log else { return Ok(None) };
    let name = |error| format!("--access-log {}: {error}", path.display());
    let lines = match path.to_str() {
        Some("-") => Lines::new("access-log", io::stdout()),
        _ => {
            let file = OpenOptions::new().append(true).create(true).open(path);
            Lines::new("access-log", file.map_err(name)?)
        }
    };
    let (lines, guard) = lines.map_err(name)?;
    Ok(Some((AccessLog::new(lines), guard)))
}
