//! Dependencies point down: `evio`, then `evio-core`, then `evio-sys`.

use std::env;
use std::process::Command;

use super::Violation;
use crate::{Result, workspace_root};

/// A library crate, and what its tree of dependencies must not contain.
struct Layer {
    package: &'static str,
    forbidden: &'static [&'static str],
}

/// Address strings are the business of the top layer alone, so `url` goes no lower.
const LAYERS: [Layer; 3] = [
    Layer {
        package: "evio-sys",
        forbidden: &["evio", "evio-core", "evio-examples", "evio-sim", "url"],
    },
    Layer { package: "evio-core", forbidden: &["evio", "evio-examples", "evio-sim", "url"] },
    Layer { package: "evio", forbidden: &["evio-examples", "evio-sim"] },
];

/// Asks cargo for the tree of each layer and checks it.
pub(super) fn check() -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for layer in LAYERS {
        let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["tree", "--locked", "--prefix", "none", "--edges", "normal,build"])
            .args(["--package", layer.package])
            .current_dir(workspace_root())
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        violations.extend(layer.check_tree(&String::from_utf8(output.stdout)?));
    }
    Ok(violations)
}

impl Layer {
    /// Checks the output of `cargo tree --prefix none`: a package per line, its name first.
    fn check_tree(&self, tree: &str) -> Vec<Violation> {
        let names = tree.lines().filter_map(|line| line.split(' ').next());
        names
            .filter(|name| self.forbidden.contains(name))
            .map(|name| Violation {
                path: format!("crates/{}/Cargo.toml", self.package),
                line: 1,
                advice: format!("depends on `{name}`; what needs that belongs in a higher layer"),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Layer;

    #[test]
    fn a_forbidden_package_anywhere_in_the_tree_is_found() {
        let core = Layer { package: "core", forbidden: &["url"] };
        let cases = [
            ("core v0.1.0 (/clone/core)\nslab v0.4.11\n", 0),
            ("core v0.1.0\nurlencoding v2.1.0\n", 0),
            ("core v0.1.0\nhelper v1.0.0\nurl v2.5.8\n", 1),
        ];
        for (tree, count) in cases {
            let violations = core.check_tree(tree);
            assert_eq!(violations.len(), count, "{tree}");
            assert!(violations.iter().all(|found| found.path == "crates/core/Cargo.toml"));
        }
    }
}
