//! The page that lists a directory.

use std::collections::VecDeque;
use std::fmt::Write;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use cap_std::fs::{Dir, DirEntry};
use percent_encoding::percent_encode;

use super::super::Shared;
use super::target::{IN_SEGMENT, is_served};

/// Most names on a page: the page is made in one piece, while the loop waits.
const MAX_NAMES: usize = 2000;

/// Most entries that are looked at for a page; a directory can have millions.
const MAX_ENTRIES: usize = 10_000;

/// How long a page is kept: to make one can take tens of milliseconds, and nobody should have a
/// loop do that all the time.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// Most pages that are kept, and most bytes of them: that is several of the longest there can be.
pub(super) const MAX_KEPT: usize = 64;
const MAX_KEPT_BYTES: u64 = 16 << 20;

/// The pages that were made last, each of another directory, the oldest one first.
#[derive(Debug, Default)]
pub(super) struct Listing(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    path: PathBuf,
    made: SystemTime,
    page: Shared,
}

impl Kept {
    fn is_fresh(&self, now: SystemTime) -> bool {
        // A clock that was set back gives no age.
        now.duration_since(self.made).is_ok_and(|age| age < KEPT_FOR)
    }

    fn len(&self) -> u64 {
        self.page.len() + self.path.as_os_str().len() as u64
    }
}

impl Listing {
    /// Returns the page for the directory at `path`: what is served there, or was a second before
    /// `now`, and nothing else. Returns how many entries were looked at for it, too: none if the
    /// page was there.
    ///
    /// # Errors
    ///
    /// Fails when the directory cannot be read.
    pub(super) fn page(
        &self,
        dir: &Dir,
        path: &Path,
        now: SystemTime,
    ) -> io::Result<(Shared, usize)> {
        if let Some(kept) = self.lock().iter().find(|kept| kept.path == path && kept.is_fresh(now))
        {
            return Ok((kept.page.clone(), 0));
        }
        let (page, entries) = make_page(dir, path)?;
        let page = Shared::from(page);
        self.keep(Kept { path: path.to_owned(), made: now, page: page.clone() });
        Ok((page, entries))
    }

    fn keep(&self, new: Kept) {
        let mut pages = self.lock();
        pages.retain(|kept| kept.path != new.path && kept.is_fresh(new.made));
        pages.push_back(new);
        while pages.len() > MAX_KEPT || pages.iter().map(Kept::len).sum::<u64>() > MAX_KEPT_BYTES {
            pages.pop_front();
        }
    }

    /// Locks for a moment, in which nothing panics; not while a page is made.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns how many entries were looked at, too.
fn make_page(dir: &Dir, path: &Path) -> io::Result<(Vec<u8>, usize)> {
    let here = if path.as_os_str().is_empty() { dir.try_clone()? } else { dir.open_dir(path)? };
    let (mut names, mut looked_at) = (Vec::new(), 0);
    let mut is_whole = true;
    for entry in here.entries()? {
        let name = entry_name(dir, path, &entry?);
        if looked_at == MAX_ENTRIES || (name.is_some() && names.len() == MAX_NAMES) {
            is_whole = false;
            break;
        }
        looked_at += 1;
        names.extend(name);
    }
    names.sort_unstable();
    Ok((format_page(path, &names, is_whole).into_bytes(), looked_at))
}

/// Returns the name of an entry that is served, with a slash behind that of a directory.
fn entry_name(dir: &Dir, path: &Path, entry: &DirEntry) -> Option<Vec<u8>> {
    let name = entry.file_name();
    if !is_served(name.as_bytes()) {
        return None;
    }
    let mut kind = entry.file_type().ok()?;
    if kind.is_symlink() {
        // A link that leads outside the served directory is an error here too.
        kind = dir.metadata(path.join(&name)).ok()?.file_type();
    }
    let mut name = name.as_bytes().to_vec();
    if kind.is_dir() {
        name.push(b'/');
    } else if !kind.is_file() {
        return None;
    }
    Some(name)
}

fn format_page(path: &Path, names: &[Vec<u8>], is_whole: bool) -> String {
    let mut title = "/".to_owned();
    if !path.as_os_str().is_empty() {
        title = escape(&format!("/{}/", path.display()));
    }
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <h1>{title}</h1>\n<ul>\n"
    );
    if title != "/" {
        page.push_str("<li><a href=\"../\">../</a></li>\n");
    }
    for name in names {
        let text = escape(&String::from_utf8_lossy(name));
        let (bare, slash) = match name.strip_suffix(b"/") {
            Some(bare) => (bare, "/"),
            None => (&name[..], ""),
        };
        // With every reserved character encoded, no name can be read as a scheme, a host or a path.
        let link = percent_encode(bare, IN_SEGMENT);
        writeln!(page, "<li><a href=\"{link}{slash}\">{text}</a></li>")
            .expect("writing to a string never fails");
    }
    page.push_str("</ul>\n");
    if !is_whole {
        page.push_str("<p>There are more, which this page leaves out.</p>\n");
    }
    page
}

/// Writes text so that it is no markup, in an element and in an attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_that_are_kept_are_bounded() {
        let listing = Listing::default();
        let made = SystemTime::now();
        for name in ["a", "b", "c"] {
            let page = Shared::from(vec![b'x'; 6 << 20]);
            listing.keep(Kept { path: name.into(), made, page });
        }
        let pages = listing.lock();
        assert!(pages.iter().map(|kept| &kept.path).eq(["b", "c"].map(Path::new)));
    }
}
