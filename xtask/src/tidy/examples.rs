//! The crate that the examples of `evio-core` name.

use std::collections::HashSet;

use super::Violation;
use super::source::{Source, is_word};

const EXPORTS: &str = "crates/evio/src/lib.rs";
const EXAMPLES: &str = "crates/evio-core/src/";
const ALIAS: &str = "# use evio_core as evio;";
const IMPORT: &str = "use evio_core::";

/// Checks that examples name `evio`, which is what most readers depend on, where it exports all
/// that they import.
pub(super) fn check(sources: &[Source]) -> Vec<Violation> {
    let Some(exports) = sources.iter().find(|source| source.path == EXPORTS) else {
        return Vec::new();
    };
    let exported = exports.code.split("pub use ").skip(1).filter_map(|item| item.split_once(';'));
    let exported: HashSet<&str> = exported.flat_map(|(path, _)| words(path)).collect();
    let documented = sources.iter().filter(|source| source.path.starts_with(EXAMPLES));
    documented.flat_map(|source| check_file(source, &exported)).collect()
}

fn check_file(source: &Source, exported: &HashSet<&str>) -> Vec<Violation> {
    let advice = "`evio` exports all of this: `# use evio_core as evio;`, and then `use evio::`";
    let advice_inside = "this example names `evio`, where `evio_core` need not be known: `evio::`";
    let is_mark = |c: char| c.is_whitespace() || "/!".contains(c);
    let lines: Vec<&str> =
        source.comments.lines().map(|line| line.trim_start_matches(is_mark)).collect();
    let fences: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].starts_with("```")).collect();
    let mut violations = Vec::new();
    for fence in fences.chunks_exact(2) {
        let example = &lines[fence[0]..fence[1]];
        let mut add = |at: usize, advice: &str| {
            let (path, line) = (source.path.clone(), fence[0] + at + 1);
            violations.push(Violation { path, line, advice: advice.to_owned() });
        };
        if example.contains(&ALIAS) {
            if let Some(at) = example.iter().position(|line| line.contains("evio_core::")) {
                add(at, advice_inside);
            }
            continue;
        }
        let Some(at) = example.iter().position(|line| line.starts_with(IMPORT)) else { continue };
        let text = example.join("\n");
        let mut imports = text.split(IMPORT).skip(1).filter_map(|rest| rest.split_once(';'));
        if imports.all(|(path, _)| words(path).all(|name| exported.contains(name))) {
            add(at, advice);
        }
    }
    violations
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_word(c)).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_that_could_name_evio_is_found() {
        let exports = "pub use evio_core::{\n    Action, Conn,\n};\npub use evio_sys::BACKEND;\n";
        let cases = [
            ("use evio_core::Conn;", vec![2]),
            ("use std::io;\nuse evio_core::{\n    Action,\n    Conn,\n};", vec![3]),
            ("use evio_core::{Config, Conn};", vec![]),
            ("use evio_core::Conn;\nuse evio_core::Config;", vec![]),
            ("# use evio_core as evio;\nuse evio::Conn;", vec![]),
            ("# use evio_core as evio;\nuse evio::Conn;\n# Ok::<(), evio_core::E>(())", vec![4]),
            ("# use evio_core::Conn;\nlet x = 1;", vec![]),
        ];
        for (example, lines) in cases {
            let text = format!("```no_run\n{example}\n```\nuse evio_core::Conn;");
            let text: String = text.lines().map(|line| format!("    /// {line}\n")).collect();
            let sources =
                [Source::new(EXPORTS, exports), Source::new(&format!("{EXAMPLES}a.rs"), &text)];
            let found: Vec<_> = check(&sources).iter().map(|found| found.line).collect();
            assert_eq!(found, lines, "{text}");
        }
    }
}
