//! A directory that is served, and what comes out of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::http::files::{Body, Config, FilePart, FileRequest, Files, Reply};

/// A directory with files beneath `root`, which are served, and others beside it.
pub(super) struct Site {
    base: TempDir,
    files: Files,
}

impl Site {
    pub(super) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(super) fn with(config: Config) -> Self {
        let base = TempDir::new().unwrap();
        fs::create_dir(base.path().join("root")).unwrap();
        let files = Files::open(base.path().join("root"), config).unwrap();
        Self { base, files }
    }

    /// The directory around the one that is served.
    pub(super) fn base(&self) -> &Path {
        self.base.path()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.base.path().join("root").join(name)
    }

    /// Makes a file, and the directories that lead to it.
    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(super) fn set_modified(&self, name: &str, time: SystemTime) {
        File::options().write(true).open(self.path(name)).unwrap().set_modified(time).unwrap();
    }

    pub(super) fn get(&self, target: impl AsRef<[u8]>) -> Reply {
        self.ask("GET", target, &[])
    }

    /// Asks ten seconds from now, when no file counts as just changed any more.
    pub(super) fn ask(
        &self,
        method: &str,
        target: impl AsRef<[u8]>,
        fields: &[(&str, &str)],
    ) -> Reply {
        self.ask_at(SystemTime::now() + Duration::from_secs(10), method, target, fields)
    }

    pub(super) fn ask_at(
        &self,
        now: SystemTime,
        method: &str,
        target: impl AsRef<[u8]>,
        fields: &[(&str, &str)],
    ) -> Reply {
        let mut request = FileRequest::new(method, target.as_ref());
        for (name, value) in fields {
            request.add_field(name, value.as_bytes());
        }
        self.files.answer(&request, now)
    }
}

/// Reads the body of a reply to its end, in small pieces.
pub(super) fn content(reply: Reply) -> Vec<u8> {
    let length = reply.content_length;
    let content = match reply.body {
        Body::None => return Vec::new(),
        Body::Bytes(bytes) => bytes.to_vec(),
        Body::File(part) => read_all(part),
    };
    assert_eq!(length, Some(content.len() as u64), "Content-Length is that of the body");
    content
}

fn read_all(mut part: FilePart) -> Vec<u8> {
    let mut content = Vec::new();
    let mut buffer = [0; 7];
    while part.remaining() > 0 {
        let len = part.read_piece(&mut buffer).unwrap();
        content.extend_from_slice(&buffer[..len]);
    }
    assert_eq!(part.read_piece(&mut buffer).unwrap(), 0);
    content
}

/// Returns the value of a field that must be there.
pub(super) fn field(reply: &Reply, name: &str) -> String {
    reply.field(name).unwrap_or_else(|| panic!("no {name} in {reply:?}")).to_owned()
}
