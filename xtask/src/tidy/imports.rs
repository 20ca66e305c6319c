//! Which files of a crate use which others, read off the paths in their code.
//!
//! Names are looked up as the compiler does, as far as modules go: `crate`, `self`, `super`,
//! submodules, names that a `use` brings in, and re-exports, which count as what they stand for.
//! A module in braces inside a file that ships is taken for the file itself.

use std::collections::HashMap;

use super::source::{Source, is_word};

/// A chain of `use` is followed this far. What is longer goes in a circle, as in `use a::a`.
const MAX_REEXPORTS: usize = 8;

/// The files of a crate, with what each imports outside of its tests.
#[derive(Debug)]
pub(super) struct Imports<'a> {
    pub(super) files: Vec<File<'a>>,
    /// The index into `files` of each module, by its names from the root down.
    modules: HashMap<Vec<&'a str>, usize>,
}

#[derive(Debug)]
pub(super) struct File<'a> {
    pub(super) source: &'a Source,
    /// Relative to the crate's `src`.
    pub(super) name: &'a str,
    module: Vec<&'a str>,
    paths: Vec<Path<'a>>,
    pub(super) imports: Vec<Import>,
}

/// Another file that a file uses something of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Import {
    /// Its index among the files.
    pub(super) file: usize,
    /// The first line, counted from one, with a path to it.
    pub(super) line: usize,
}

/// A path in code, or one branch of a tree in a `use`.
#[derive(Debug)]
struct Path<'a> {
    parts: Vec<&'a str>,
    /// What a `use` calls it from then on.
    alias: Option<&'a str>,
    line: usize,
}

impl<'a> Imports<'a> {
    /// Reads the imports of all files below `root`, a crate's `src` with a slash at the end.
    pub(super) fn read(sources: &'a [Source], root: &str) -> Self {
        let mut files: Vec<_> =
            sources.iter().filter_map(|source| File::read(source, root)).collect();
        files.sort_by_key(|file| file.name);
        let modules =
            files.iter().enumerate().map(|(at, file)| (file.module.clone(), at)).collect();
        let mut imports = Self { files, modules };
        for at in 0..imports.files.len() {
            imports.files[at].imports = imports.of_file(at);
        }
        imports
    }

    /// Returns what a file imports of others, each file once.
    fn of_file(&self, at: usize) -> Vec<Import> {
        let mut found: Vec<Import> = Vec::new();
        for path in &self.files[at].paths {
            let Some(file) = self.resolve(at, &path.parts, MAX_REEXPORTS) else { continue };
            if file != at && found.iter().all(|known| known.file != file) {
                found.push(Import { file, line: path.line });
            }
        }
        found
    }

    /// Returns the file that defines what `path` means in the file at `at`, or nothing for a path
    /// out of the crate.
    fn resolve(&self, at: usize, path: &[&'a str], reexports: usize) -> Option<usize> {
        let here = &self.files[at].module;
        let (first, mut rest) = path.split_first()?;
        let mut module = match *first {
            "crate" => Vec::new(),
            "self" => here.clone(),
            "super" => parent(here)?,
            name => [&here[..], &[name]].concat(),
        };
        if !self.modules.contains_key(&module) {
            return self.resolve_used(at, path, reexports);
        }
        while let Some((&"super", below)) = rest.split_first() {
            (module, rest) = (parent(&module)?, below);
        }
        while let Some((part, below)) = rest.split_first() {
            module.push(part);
            if !self.modules.contains_key(&module) {
                module.pop();
                break;
            }
            rest = below;
        }
        let found = *self.modules.get(&module)?;
        if found == at || rest.is_empty() {
            return Some(found);
        }
        Some(self.resolve_used(found, rest, reexports).unwrap_or(found))
    }

    /// Resolves a path that begins with a name that a `use` brings into the file at `at`.
    fn resolve_used(&self, at: usize, path: &[&'a str], reexports: usize) -> Option<usize> {
        let left = reexports.checked_sub(1)?;
        let used = self.files[at].paths.iter().find(|used| used.alias == Some(path[0]))?;
        self.resolve(at, &[&used.parts[..], &path[1..]].concat(), left)
    }
}

impl<'a> File<'a> {
    /// Returns nothing for a file of another crate.
    fn read(source: &'a Source, root: &str) -> Option<Self> {
        let name = source.path.strip_prefix(root)?;
        let mut module: Vec<_> = name.strip_suffix(".rs")?.split('/').collect();
        if matches!(module[..], [.., "mod"] | ["lib"]) {
            module.pop();
        }
        let paths = read_paths(source.shipped_and_test_code().0);
        Some(Self { source, name, module, paths, imports: Vec::new() })
    }

    /// Tells whether this is `lib.rs`.
    pub(super) fn is_root(&self) -> bool {
        self.module.is_empty()
    }

    /// Returns the folder of `src` that the file belongs to, or nothing for one beside them.
    pub(super) fn folder(&self) -> Option<&'a str> {
        self.name.split_once('/').map(|(folder, _)| folder)
    }
}

fn parent<'a>(module: &[&'a str]) -> Option<Vec<&'a str>> {
    module.split_last().map(|(_, above)| above.to_vec())
}

/// Returns every path of two or more parts in `code`, and every branch of each `use`.
fn read_paths(code: &str) -> Vec<Path<'_>> {
    let mut paths = Vec::new();
    let mut at = 0;
    while let Some(step) = code[at..].find(is_word) {
        let start = at + step;
        let first = word(&code[start..]);
        at = start + first.len();
        let line = code[..start].matches('\n').count() + 1;
        // `use<'a>` in a type is no import.
        if first == "use" && !code[at..].starts_with('<') {
            let end = code[at..].find(';').map_or(code.len(), |end| at + end);
            read_branches(&code[at..end], &[], line, &mut paths);
            at = end;
        } else {
            // `pub(in crate::table)` uses nothing.
            let is_visibility = code[..start].trim_end().ends_with("(in");
            let (parts, rest) = read_parts(&code[start..]);
            at = code.len() - rest.len();
            if parts.len() > 1 && !is_visibility {
                paths.push(Path { parts, alias: None, line });
            }
        }
    }
    paths
}

/// Reads the tree of a `use` below `above`: one branch, or several in braces.
fn read_branches<'a>(
    tree: &'a str,
    above: &[&'a str],
    line: usize,
    paths: &mut Vec<Path<'a>>,
) -> &'a str {
    let leading = tree.len() - tree.trim_start().len();
    let line = line + tree[..leading].matches('\n').count();
    let tree = tree[leading..].trim_start_matches("::");
    let (parts, rest) = read_parts(tree);
    let mut parts = [above, &parts].concat();
    let below = rest.trim_start().trim_start_matches("::").trim_start();
    if let Some(group) = below.strip_prefix('{') {
        return read_group(group, &parts, line, paths);
    }
    if parts.len() > 1 && parts.last() == Some(&"self") {
        parts.pop();
    }
    let renamed = below.strip_prefix("as ").map(|name| word(name.trim_start()));
    let alias = if below.starts_with('*') { None } else { renamed.or(parts.last().copied()) };
    if !parts.is_empty() {
        paths.push(Path { parts, alias, line });
    }
    &below[below.find([',', '}']).unwrap_or(below.len())..]
}

/// Reads the branches up to the brace that closes a group, and returns what follows it.
fn read_group<'a>(
    group: &'a str,
    above: &[&'a str],
    mut line: usize,
    paths: &mut Vec<Path<'a>>,
) -> &'a str {
    let mut rest = group;
    loop {
        let next = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        line += rest[..rest.len() - next.len()].matches('\n').count();
        if next.is_empty() {
            return next;
        }
        if let Some(after) = next.strip_prefix('}') {
            return after;
        }
        let after = read_branches(next, above, line, paths);
        line += next[..next.len() - after.len()].matches('\n').count();
        rest = after;
    }
}

/// Reads words with `::` between them, and returns them with what follows.
fn read_parts(code: &str) -> (Vec<&str>, &str) {
    let (mut parts, mut rest) = (Vec::new(), code);
    loop {
        let part = word(rest);
        if part.is_empty() {
            return (parts, rest);
        }
        parts.push(part);
        let after = &rest[part.len()..];
        let next = after.trim_start().strip_prefix("::").map(str::trim_start);
        match next {
            Some(next) if !word(next).is_empty() => rest = next,
            _ => return (parts, after),
        }
    }
}

fn word(code: &str) -> &str {
    &code[..code.find(|c| !is_word(c)).unwrap_or(code.len())]
}

#[cfg(test)]
mod tests;
