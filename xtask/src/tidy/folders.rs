//! The folders of `evio-core`: what each owns, which others it may use, and the exceptions.

use super::Violation;
use super::circles;
use super::fields::{self, OpenField};
use super::imports::{File, Imports};
use super::source::Source;

/// A folder, which must be in the table below.
struct Folder {
    name: &'static str,
    /// The state that no other folder writes.
    owns: &'static str,
    /// The folders that it may import from beside itself; all may use `evio-sys`.
    uses: &'static [&'static str],
}

const FOLDERS: [Folder; 12] = [
    Folder {
        name: "types",
        owns: "nothing: plain values, such as ids, limits, reasons and tokens",
        uses: &[],
    },
    Folder {
        name: "output",
        owns: "what connections have written and the kernel has not taken",
        uses: &["types"],
    },
    Folder {
        name: "input",
        owns: "what connections have received and nobody has read",
        uses: &["types"],
    },
    Folder {
        name: "accept",
        owns: "the listeners of a loop, and the choice of a loop for a connection",
        uses: &["types"],
    },
    Folder {
        name: "datagram",
        owns: "the UDP sockets of a loop, and the datagrams that wait to be sent",
        uses: &["types"],
    },
    Folder {
        name: "mail",
        owns: "the queues from other threads to a loop, and who wakes it",
        uses: &["types"],
    },
    Folder { name: "timer", owns: "the timers of a loop, which of them are due", uses: &["types"] },
    Folder {
        name: "dial",
        owns: "the dials of a loop: addresses that are left, attempts, errors",
        uses: &["timer", "types"],
    },
    Folder {
        name: "watch",
        owns: "the descriptors that a loop watches for the program",
        uses: &["types"],
    },
    Folder {
        name: "table",
        owns: "the connections: phases, limits, deadlines, which are looked at next",
        uses: &["output", "types"],
    },
    Folder {
        name: "api",
        owns: "nothing: views for callbacks, and handles for other threads",
        uses: &[
            "table", "output", "input", "accept", "datagram", "dial", "mail", "timer", "watch",
            "types",
        ],
    },
    Folder {
        name: "turn",
        owns: "the order of a turn, and what no callback can reach",
        uses: &[
            "api", "table", "output", "input", "accept", "datagram", "dial", "mail", "timer",
            "watch", "types",
        ],
    },
];

/// The files that may import each other in a circle, all those of one circle together. Such a list
/// only gets shorter: this is the public face, where a task gets a `Loop` and a `Loop` gives
/// handles to leave tasks with.
const CIRCLES: [&[&str]; 1] = [&[
    "api/conn.rs",
    "api/conn_handle.rs",
    "api/event_loop_access.rs",
    "api/group.rs",
    "api/loop_handle.rs",
    "api/loop_state.rs",
    "api/message.rs",
    "api/messages.rs",
    "api/row.rs",
    "api/tasks.rs",
    "api/udp.rs",
]];

/// The fields in `table/` that other folders see. A field that several other fields must agree
/// with is never one of them.
const OPEN_FIELDS: [OpenField; 0] = [];

/// Where the tables above are.
const TABLES: &str = "xtask/src/tidy/folders.rs";
/// The crate whose folders these are.
const ROOT: &str = "crates/evio-core/src/";

/// Checks the imports of `evio-core`, and the fields that its connection table shows.
pub(super) fn check(sources: &[Source]) -> Vec<Violation> {
    let has_folders = |source: &Source| source.path.starts_with(&format!("{ROOT}turn/"));
    if !sources.iter().any(has_folders) {
        return Vec::new();
    }
    let imports = Imports::read(sources, ROOT);
    let mut violations = check_arrows(&imports);
    violations.extend(circles::check(&imports, &CIRCLES, TABLES));
    violations.extend(fields::check(sources, &format!("{ROOT}table/"), &OPEN_FIELDS, TABLES));
    violations
}

/// Checks that each file is in a known folder, and imports from those only that its folder uses.
fn check_arrows(imports: &Imports<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in imports.files.iter().filter(|file| !file.is_root()) {
        let Some(folder) = folder_of(file) else {
            let advice = format!(
                "in no folder of the table in {TABLES}; move the file to the folder that owns its \
                 state, or add a folder there"
            );
            violations.push(Violation { path: file.source.path.clone(), line: 1, advice });
            continue;
        };
        violations.extend(file.imports.iter().filter_map(|import| {
            let advice = folder.refuses(&imports.files[import.file])?;
            Some(Violation { path: file.source.path.clone(), line: import.line, advice })
        }));
    }
    violations
}

fn folder_of(file: &File<'_>) -> Option<&'static Folder> {
    FOLDERS.iter().find(|folder| file.folder() == Some(folder.name))
}

impl Folder {
    /// Returns what to do about an import of `file`, or nothing when the arrow is allowed, or when
    /// the file itself is out of place.
    fn refuses(&self, file: &File<'_>) -> Option<String> {
        let name = self.name;
        if file.is_root() {
            let advice = "imports from lib.rs, which declares and exports; move the item to the \
                          folder that owns it";
            return Some(advice.to_owned());
        }
        let other = folder_of(file)?;
        if other.name == name || self.uses.contains(&other.name) {
            return None;
        }
        let arrow = format!("{name} -> {} is no arrow (imports {})", other.name, file.name);
        let advice = if other.uses.contains(&name) {
            format!(
                "the dependency goes from {} to {name}: take the value as an argument, or move \
                 its type down to {name} or types",
                other.name
            )
        } else {
            let above = FOLDERS
                .iter()
                .filter(|above| above.uses.contains(&name) && above.uses.contains(&other.name));
            let above: Vec<_> = above.map(|above| above.name).collect();
            format!(
                "neither knows the other: let {} pass the value from one to the other, or move \
                 its type to types",
                above.join(" or ")
            )
        };
        Some(format!("{arrow}; {advice}. {} owns {}", other.name, other.owns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks one file that imports others, of which there is one in each folder.
    fn advice(name: &str, text: &str) -> Vec<(usize, String)> {
        let names = FOLDERS.iter().flat_map(|folder| ["mod", "a"].map(|file| (folder.name, file)));
        let mut sources: Vec<_> = names
            .map(|(folder, file)| Source::new(&format!("{ROOT}{folder}/{file}.rs"), ""))
            .collect();
        sources.push(Source::new(&format!("{ROOT}lib.rs"), "use api::a::A;"));
        sources.push(Source::new(&format!("{ROOT}{name}"), text));
        let found = check_arrows(&Imports::read(&sources, ROOT));
        assert!(found.iter().all(|found| found.path == format!("{ROOT}{name}")), "{found:?}");
        found.into_iter().map(|found| (found.line, found.advice)).collect()
    }

    #[test]
    fn the_arrows_of_the_table_are_allowed_and_no_other() {
        for from in &FOLDERS {
            for to in &FOLDERS {
                let text = format!("\nuse crate::{}::a::A;", to.name);
                let found = advice(&format!("{}/b.rs", from.name), &text);
                if from.name == to.name || from.uses.contains(&to.name) {
                    assert!(found.is_empty(), "{found:?}");
                } else {
                    let arrow = format!("{} -> {} is no arrow", from.name, to.name);
                    assert!(matches!(&found[..], [(2, advice)] if advice.starts_with(&arrow)));
                }
            }
        }
    }

    #[test]
    fn the_advice_says_where_the_dependency_belongs() {
        let cases = [
            ("table/b.rs", "use crate::api::a::A;", "goes from api to table"),
            ("api/b.rs", "fn f() { super::super::turn::a::g() }", "goes from turn to api"),
            ("accept/b.rs", "use crate::mail::a::A;", "let api or turn pass"),
            ("table/b.rs", "use crate::A;", "imports api/a.rs"),
            ("table/b.rs", "use crate::B;", "imports from lib.rs"),
            ("new/b.rs", "", "in no folder of the table"),
            ("b.rs", "use crate::api::a::A;", "in no folder of the table"),
        ];
        for (name, text, part) in cases {
            let found = advice(name, text);
            assert!(matches!(&found[..], [(1, advice)] if advice.contains(part)), "{found:?}");
        }
        let test = "#[cfg(test)]\nmod tests {\n    use crate::turn::a::A;\n}";
        assert!(advice("types/b.rs", test).is_empty());
    }

    #[test]
    fn arrows_circles_and_fields_are_checked_once_there_are_folders() {
        let files = [
            ("lib.rs", "mod table;\nmod turn;"),
            ("table/mod.rs", "pub(crate) mod a;\nuse super::turn::B;"),
            ("table/a.rs", "struct A {\n    pub(crate) b: u8,\n}\n\nuse super::B;"),
            ("turn/mod.rs", "mod a;\nuse a::A;\npub(crate) struct B;"),
            ("turn/a.rs", "\n\nuse super::B;\npub(crate) struct A;"),
        ];
        let found = |below: &str| {
            let named = |(name, text): &(&str, &str)| {
                Source::new(&format!("{ROOT}{}", name.replace("turn/", below)), text)
            };
            let sources: Vec<_> = files.iter().map(named).collect();
            let found = check(&sources).into_iter().filter(|found| found.path != TABLES);
            found.map(|found| format!("{}:{}", &found.path[ROOT.len()..], found.line)).collect()
        };
        let places: Vec<String> = found("turn/");
        // Two arrows, one of them through a re-export; a circle; a field.
        assert_eq!(places, ["table/a.rs:5", "table/mod.rs:2", "turn/a.rs:3", "table/a.rs:2"]);
        assert!(found("elsewhere/").is_empty());
    }

    #[test]
    fn the_arrows_go_down() {
        for (at, folder) in FOLDERS.iter().enumerate() {
            let below: Vec<_> = FOLDERS[..at].iter().map(|below| below.name).collect();
            assert!(folder.uses.iter().all(|used| below.contains(used)), "{}", folder.name);
        }
    }

    #[test]
    fn what_must_agree_with_other_fields_stays_private() {
        for open in &OPEN_FIELDS {
            let (_, field) = open.field.split_once('.').unwrap();
            assert!(!["phase", "limits", "deadlines", "listed"].contains(&field), "{field}");
            assert!(open.reason.contains(' '), "{field} needs a reason");
        }
    }
}
