//! The rules that look at one file at a time.

use super::Violation;
use super::source::{Source, is_word};

/// Longer files are about more than one thing.
const MAX_FILE_LINES: usize = 400;
/// What still fits a screen together with its documentation.
const MAX_FUNCTION_LINES: usize = 70;
/// The width that rustfmt keeps code to; it leaves comments and strings alone.
const MAX_COLUMNS: usize = 100;

/// The one file that chooses an operating system.
const SEAM: &str = "crates/evio-sys/src/backend/";
/// The files with `unsafe`, for what std and nix have no safe call for.
const UNSAFE_FILES: [&str; 1] = ["crates/evio-sys/src/backend/raw.rs"];
/// The one file of the loop that may name sockets of std, to convert from them.
const SOCKET_CONVERSIONS: &str = "crates/evio-core/src/api/detached.rs";
/// The loop, which a simulated kernel must be able to drive.
const LOOP_SOURCES: &str = "crates/evio-core/src/";

/// Where the prose has been gone through; a folder is added when its own has.
const PLAIN_PROSE: [&str; 4] = ["crates/evio-core/", "crates/evio/src/", "fuzz/", "xtask/"];
/// Openings of a sentence that leave out who acts.
const HIDDEN_SUBJECTS: [&str; 3] = ["Has ", "Takes note", "What few"];
/// Words in place of a subject.
const VAGUE_SUBJECTS: [&str; 2] = ["whoever", "by himself"];

const RULES: [fn(&Source) -> Vec<Violation>; 10] = [
    platforms_are_named_in_one_folder,
    unsafe_stays_in_its_files,
    files_are_short,
    functions_fit_a_screen,
    lines_fit_the_width,
    nothing_is_left_unfinished,
    exports_are_named,
    the_loop_reaches_the_system_through_evio_sys,
    tests_do_not_sleep,
    sentences_name_who_acts,
];

/// Applies every rule to `source`.
pub(super) fn check(source: &Source) -> Vec<Violation> {
    RULES.iter().flat_map(|rule| rule(source)).collect()
}

fn platforms_are_named_in_one_folder(source: &Source) -> Vec<Violation> {
    if source.path.starts_with(SEAM) {
        return Vec::new();
    }
    let advice = format!("a condition on the platform; only files of {SEAM} may have one");
    let always = ["target_os", "target_family", "target_vendor"];
    flag(source, &source.code, &advice, |line| {
        let conditional = ["cfg", "cfg_attr"].iter().any(|word| has_word(line, word));
        let platform = ["unix", "windows"].iter().any(|word| has_word(line, word));
        always.iter().any(|word| has_word(line, word)) || (conditional && platform)
    })
}

fn unsafe_stays_in_its_files(source: &Source) -> Vec<Violation> {
    if UNSAFE_FILES.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let files = UNSAFE_FILES.join(", ");
    let advice = format!("`unsafe` outside of {files}; use a safe wrapper of std or nix");
    flag(source, &source.code, &advice, |line| has_word(line, "unsafe"))
}

fn files_are_short(source: &Source) -> Vec<Violation> {
    let lines = source.text.lines().count();
    if lines <= MAX_FILE_LINES {
        return Vec::new();
    }
    let advice = format!("{lines} lines, {MAX_FILE_LINES} at most; split the file by topic");
    vec![violation(source, MAX_FILE_LINES + 1, &advice)]
}

fn functions_fit_a_screen(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (at, _) in source.code.match_indices("fn ") {
        let starts_a_word = !source.code[..at].ends_with(is_word);
        let lines = item_length(&source.code[at..]);
        if starts_a_word && lines > MAX_FUNCTION_LINES {
            let advice = format!(
                "a function of {lines} lines, {MAX_FUNCTION_LINES} at most; \
                 give a part of it a name"
            );
            violations.push(violation(source, line_of(&source.code, at), &advice));
        }
    }
    violations
}

/// Returns how many lines the item at the start of `code` takes, up to its body's closing brace
/// or the semicolon that stands for a body.
fn item_length(code: &str) -> usize {
    let mut open = Vec::new();
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' | '{' => open.push(c),
            ')' | ']' | '}' => drop(open.pop()),
            _ => {}
        }
        if open.is_empty() && matches!(c, ';' | '}') {
            return line_of(code, at);
        }
    }
    line_of(code, code.len())
}

fn lines_fit_the_width(source: &Source) -> Vec<Violation> {
    let advice = format!("longer than {MAX_COLUMNS} columns; break the line");
    // The row of a table in documentation cannot be broken.
    let is_row = |line: &str| line.trim_start().starts_with("//") && line.ends_with('|');
    flag(source, &source.text, &advice, |line| line.chars().count() > MAX_COLUMNS && !is_row(line))
}

fn nothing_is_left_unfinished(source: &Source) -> Vec<Violation> {
    let advice = "left unfinished; finish it or take it out";
    let mut violations = flag(source, &source.code, advice, |line| {
        ["todo!", "unimplemented!", "#[ignore"].iter().any(|mark| line.contains(mark))
    });
    violations.extend(flag(source, &source.comments, advice, |line| {
        ["TODO", "FIXME", "XXX"].iter().any(|mark| has_word(line, mark))
    }));
    violations
}

fn exports_are_named(source: &Source) -> Vec<Violation> {
    let advice = "re-exports by glob; name each item, so that a reader finds where it is from";
    flag(source, &source.code, advice, |line| {
        line.trim_start().starts_with("pub use ") && line.ends_with("*;")
    })
}

/// Checks that I/O and the clock are those of `evio-sys`, which its simulated kernel replaces.
fn the_loop_reaches_the_system_through_evio_sys(source: &Source) -> Vec<Violation> {
    if !source.path.starts_with(LOOP_SOURCES) {
        return Vec::new();
    }
    let (shipped, _) = source.shipped_and_test_code();
    let clock = "reads the clock past evio-sys; a simulated kernel could not control it";
    let mut violations = flag(source, shipped, clock, |line| {
        ["Instant::now", "SystemTime::now"].iter().any(|call| line.contains(call))
    });
    if source.path == SOCKET_CONVERSIONS {
        return violations;
    }
    let socket = "a socket of std; use those of evio-sys, which a simulated kernel can replace";
    for module in ["std::net::", "std::os::unix::net::"] {
        for (at, _) in shipped.match_indices(module) {
            if names_a_socket(&shipped[at + module.len()..]) {
                violations.push(violation(source, line_of(shipped, at), socket));
            }
        }
    }
    violations
}

/// Tells whether the rest of a path, or the group in braces that it ends with, has a socket type.
fn names_a_socket(path: &str) -> bool {
    let end = if path.starts_with('{') { path.find('}') } else { path.find(|c| !is_word(c)) };
    let names = &path[..end.unwrap_or(path.len())];
    names.split(|c| !is_word(c)).any(|name| {
        ["Stream", "Listener", "Socket", "Datagram"].iter().any(|kind| name.ends_with(kind))
    })
}

fn tests_do_not_sleep(source: &Source) -> Vec<Violation> {
    let (shipped, tests) = source.shipped_and_test_code();
    let above = shipped.matches('\n').count();
    let advice = "a test that sleeps is slow or flaky; wait for the event, with a deadline, or say \
                  in a comment above whose slowness is acted out";
    let mut violations = flag(source, tests, advice, |line| line.contains("thread::sleep"));
    violations.iter_mut().for_each(|found| found.line += above);
    let lines: Vec<&str> = source.text.lines().collect();
    let is_explained = |line: usize| {
        line.checked_sub(2).is_some_and(|above| lines[above].trim_start().starts_with("//"))
    };
    violations.retain(|found| !is_explained(found.line));
    violations
}

fn sentences_name_who_acts(source: &Source) -> Vec<Violation> {
    if !PLAIN_PROSE.iter().any(|folder| source.path.starts_with(folder)) {
        return Vec::new();
    }
    let advice = "hides who acts; name the one that does, and the system call or flag it uses";
    flag(source, &source.comments, advice, |line| {
        let sentence = line.trim_start_matches(|c: char| c.is_whitespace() || "/*!".contains(c));
        let lower = sentence.to_lowercase();
        HIDDEN_SUBJECTS.iter().any(|opening| sentence.starts_with(opening))
            || VAGUE_SUBJECTS.iter().any(|words| lower.contains(words))
    })
}

/// Returns a violation for each line of `text`, a view of `source`, that `breaks` the rule.
fn flag(
    source: &Source,
    text: &str,
    advice: &str,
    breaks: impl Fn(&str) -> bool,
) -> Vec<Violation> {
    let numbered = text.lines().zip(1..);
    numbered
        .filter(|(line, _)| breaks(line))
        .map(|(_, number)| violation(source, number, advice))
        .collect()
}

fn violation(source: &Source, line: usize, advice: &str) -> Violation {
    Violation { path: source.path.clone(), line, advice: advice.to_owned() }
}

/// Returns the number, from one, of the line that the byte at `at` is on.
fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c| !is_word(c)).any(|found| found == word)
}

#[cfg(test)]
mod tests;
