//! The page that lists a directory.

use std::fmt::Write;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cap_std::fs::{Dir, DirEntry};
use percent_encoding::percent_encode;

use super::target::{IN_SEGMENT, is_served};

/// Most names on a page: the page is made in one piece, while the loop waits.
const MAX_NAMES: usize = 2000;

/// Most entries that are looked at for a page; a directory can have millions.
const MAX_ENTRIES: usize = 10_000;

/// Writes the page for the directory at `path`: what is served there, and nothing else.
///
/// # Errors
///
/// Fails when the directory cannot be read.
pub(super) fn page(dir: &Dir, path: &Path) -> io::Result<Vec<u8>> {
    let here = if path.as_os_str().is_empty() { dir.try_clone()? } else { dir.open_dir(path)? };
    let mut names = Vec::new();
    let mut is_whole = true;
    for (entry, number) in here.entries()?.zip(0..) {
        if number == MAX_ENTRIES || names.len() == MAX_NAMES {
            is_whole = false;
            break;
        }
        names.extend(entry_name(dir, path, &entry?));
    }
    names.sort_unstable();
    Ok(format_page(path, &names, is_whole).into_bytes())
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
