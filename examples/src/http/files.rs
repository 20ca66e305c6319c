//! Files beneath one directory, as replies to GET and HEAD: no sockets, no message syntax.
//!
//! [`Files::answer`] takes the parts of a request that matter here and returns a [`Reply`]: a
//! status, header fields, and a body that may be an open file, to be read piece by piece.
//!
//! # Decisions
//!
//! - Names that begin with a dot are not served, nor are names with a backslash; the one exception
//!   is `.well-known` of RFC 8615 at the top. A `..` gets 404 in every spelling: clients resolve
//!   dot segments before they send a target (RFC 3986, section 5.2.4).
//! - The percent-encoding is removed once. An incomplete one gets 400.
//! - Repeated slashes count as one, as in nginx.
//! - Symbolic links are followed as long as they stay beneath the directory. The `cap-std` crate
//!   sees to that: one openat2(2) with `RESOLVE_BENEATH` where the system has it, else one open per
//!   segment. Either way no rename in between leads outside. Links with an absolute target lead
//!   outside, wherever they point.
//! - Only regular files and directories are served: opening a FIFO or a device has effects.
//! - A directory without `index.html` gets 404, unless [`Config::list_directories`] is on. A list
//!   may be a second old.
//! - Several ranges are answered with the whole file, as RFC 9110, section 14.2, allows: no browser
//!   asks for them, and many small ones are an old way to make a server work hard.
//!
//! Files are read and opened on the thread that asks. With files in the page cache that takes
//! microseconds; a server for slow disks has to move it to other threads.

mod conditions;
mod encoding;
mod listing;
mod media_type;
mod piece;
mod range;
mod reply;
mod request;
mod target;
#[cfg(test)]
mod tests;
mod tree;
mod validators;

use std::io;
use std::path::Path;
use std::time::SystemTime;

use cap_std::fs::Dir;

pub use piece::FilePart;
pub use reply::{Body, Reply};
pub use request::FileRequest;

use conditions::Outcome;
use encoding::Coding;
use listing::Listing;
use range::Selection;
use target::Target;
use tree::{Found, OpenFile};
use validators::Validators;

/// The file that stands for its directory.
const INDEX: &str = "index.html";

/// What is served besides the files as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whether a directory without `index.html` is answered with the list of its files. Default:
    /// off, since not all that lies in a directory is meant to be found.
    pub list_directories: bool,
    /// Whether `name.br` and `name.gz` are sent instead of `name` to clients that accept the
    /// coding. Default: on.
    pub precompressed: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { list_directories: false, precompressed: true }
    }
}

/// The files beneath one directory.
#[derive(Debug)]
pub struct Files {
    dir: Dir,
    config: Config,
    listing: Listing,
}

impl Files {
    /// Opens a directory. It stays the one that is served even if it is renamed.
    ///
    /// # Errors
    ///
    /// Fails when there is no such directory, or it may not be read; the error names it.
    pub fn open(dir: impl AsRef<Path>, config: Config) -> io::Result<Self> {
        let path = dir.as_ref();
        match Dir::open_ambient_dir(path, cap_std::ambient_authority()) {
            Ok(dir) => Ok(Self { dir, config, listing: Listing::default() }),
            Err(error) => {
                let text = format!("cannot serve {}: {error}", path.display());
                Err(io::Error::new(error.kind(), text))
            }
        }
    }

    /// Answers a request; `now` is the time that the reply will be dated.
    ///
    /// An error is a reply without a body, to which the caller may add one.
    pub fn answer(&self, request: &FileRequest<'_>, now: SystemTime) -> Reply {
        if !request.is_get && !request.is_head {
            return Reply::new(405).with("Allow", "GET, HEAD");
        }
        let target = match Target::parse(request.target) {
            Ok(target) => target,
            Err(status) => return Reply::new(status),
        };
        let mut reply = self.find(&target, request, now).unwrap_or_else(|error| {
            let status = tree::status(&error);
            if status >= 500 {
                log::warn!("{:?}: {error}", target.path);
            }
            Reply::new(status)
        });
        if request.is_head {
            reply.body = Body::None;
        }
        reply
    }

    fn find(
        &self,
        target: &Target<'_>,
        request: &FileRequest<'_>,
        now: SystemTime,
    ) -> io::Result<Reply> {
        match (tree::open(&self.dir, &target.path)?, target.names_directory) {
            (Found::File(file), false) => self.serve(file, &target.path, request, now),
            // A file has no members, so that the form with a slash names nothing.
            (Found::File(_), true) => Ok(Reply::new(404)),
            (Found::Directory, false) => Ok(Reply::new(301).with("Location", target.with_slash())),
            (Found::Directory, true) => {
                let index = target.path.join(INDEX);
                match tree::open(&self.dir, &index) {
                    Ok(Found::File(file)) => return self.serve(file, &index, request, now),
                    Err(error) if tree::status(&error) != 404 => return Err(error),
                    Ok(Found::Directory) | Err(_) => {}
                }
                if !self.config.list_directories {
                    return Ok(Reply::new(404));
                }
                let (page, entries) = self.listing.page(&self.dir, &target.path, now)?;
                let reply = Reply::new(200).with("Content-Type", "text/html; charset=utf-8");
                Ok(Reply { entries, ..reply.bytes(page) })
            }
        }
    }

    /// Answers with a file, or a precompressed form of it, or that the client has it already.
    fn serve(
        &self,
        file: OpenFile,
        path: &Path,
        request: &FileRequest<'_>,
        now: SystemTime,
    ) -> io::Result<Reply> {
        let Some((file, coding)) = self.choose(file, path, request)? else {
            return Ok(self.vary(Reply::new(406)));
        };
        let validators = Validators::new(&file, coding, now);
        let reply = match conditions::evaluate(request, &validators) {
            Outcome::Failed => return Ok(self.vary(Reply::new(412))),
            // RFC 9110, section 15.4.5: what guides a cache, and no other metadata.
            Outcome::NotModified => {
                return Ok(self.vary(Reply::new(304)).with("ETag", validators.etag()));
            }
            Outcome::Met => self.vary(Reply::new(200)),
        };
        let len = file.len;
        let selection = match request.range {
            // RFC 9110, section 14.2: ranges are defined for GET alone.
            Some(range) if request.is_get && conditions::allow_range(request, &validators) => {
                range::select(range, len)
            }
            _ => Selection::Whole,
        };
        let (status, offset, part) = match selection {
            Selection::Whole => (200, 0, len),
            Selection::Part { offset, len } => (206, offset, len),
            Selection::Unsatisfiable => {
                let reply = self.vary(Reply::new(416));
                return Ok(reply.with("Content-Range", format!("bytes */{len}")));
            }
        };
        let mut reply = reply
            .with("Content-Type", media_type::of(path))
            .with("Accept-Ranges", "bytes")
            .with("ETag", validators.etag())
            .with("Last-Modified", validators.last_modified());
        if let Some(token) = coding.token() {
            reply = reply.with("Content-Encoding", token);
        }
        if status == 206 {
            let last = offset + part - 1;
            reply = reply.with("Content-Range", format!("bytes {offset}-{last}/{len}"));
        }
        reply.status = status;
        Ok(reply.file(FilePart::new(file.file, offset, part)))
    }

    /// Chooses the form of a file that the client likes best, RFC 9110, section 12.5.3; none if it
    /// accepts none of them.
    fn choose(
        &self,
        file: OpenFile,
        path: &Path,
        request: &FileRequest<'_>,
    ) -> io::Result<Option<(OpenFile, Coding)>> {
        if !self.config.precompressed {
            return Ok(Some((file, Coding::Identity)));
        }
        for coding in encoding::preferences(&request.accept_encoding) {
            let Some(suffix) = coding.suffix() else {
                return Ok(Some((file, Coding::Identity)));
            };
            let mut sibling = path.as_os_str().to_owned();
            sibling.push(suffix);
            match tree::open(&self.dir, Path::new(&sibling)) {
                Ok(Found::File(sibling)) if !sibling.is_older_than(&file) => {
                    return Ok(Some((sibling, coding)));
                }
                // What cannot be used is as if it were not there; the file itself can be.
                _ => {}
            }
        }
        Ok(None)
    }

    /// Says that the reply depends on the client, RFC 9110, section 12.5.5.
    ///
    /// It does so for every file: one without a precompressed form now may have one later.
    fn vary(&self, reply: Reply) -> Reply {
        if self.config.precompressed { reply.with("Vary", "Accept-Encoding") } else { reply }
    }
}
