//! Checks that a system which evio does not support is told so, and why.

use std::process::{Command, Stdio};

use serde::Deserialize;

use super::{BUILDS, Outcome};
use crate::Result;
use crate::tools::Compiler;

/// The one error that goes with a refusal: a system that is refused has no backend.
const NO_BACKEND: &str = "unresolved import `imp`";

/// A line of cargo's output in JSON, as far as it is read here.
#[derive(Deserialize)]
struct Line {
    message: Option<Message>,
    target: Option<Target>,
}

/// A message of the compiler.
#[derive(Deserialize)]
struct Message {
    level: String,
    message: String,
}

/// What the compiler was compiling.
#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Checks that `evio-sys` does not compile for `target`, with one error that has `text`.
pub(super) fn check(compiler: &Compiler, target: &str, text: &str) -> Result<Outcome> {
    let mut check: Command = compiler.cargo("check", target, BUILDS);
    check.args(["--package", "evio-sys", "--lib", "--message-format", "json"]);
    let output = check.stderr(Stdio::inherit()).output()?;
    if output.status.success() {
        return Ok(Outcome::Failed("compiles, but nobody has tried it".to_owned()));
    }
    let errors = errors(&String::from_utf8(output.stdout)?)?;
    if is_refusal(&errors, text) {
        return Ok(Outcome::Refused);
    }
    let errors: Vec<_> = errors.iter().map(|(name, error)| format!("{name}: {error}")).collect();
    Ok(Outcome::Failed(format!("must say \"{text}\" and nothing else: {}", errors.join("; "))))
}

/// Returns the errors in cargo's output, each after the crate that has it.
fn errors(output: &str) -> Result<Vec<(String, String)>> {
    let mut errors = Vec::new();
    for line in output.lines() {
        let line: Line = serde_json::from_str(line)?;
        if let (Some(message), Some(target)) = (line.message, line.target) {
            // The compiler ends with how many there were, which is no error of its own.
            if message.level == "error" && !message.message.starts_with("aborting due to") {
                errors.push((target.name, message.message));
            }
        }
    }
    Ok(errors)
}

fn is_refusal(errors: &[(String, String)], text: &str) -> bool {
    let (refusals, others): (Vec<_>, Vec<_>) =
        errors.iter().partition(|(_, error)| error.contains(text));
    let is_expected = |(_, error): &&(String, String)| error == NO_BACKEND;
    refusals.len() == 1
        && others.iter().all(is_expected)
        && errors.iter().all(|(name, _)| name == "evio_sys")
}

#[cfg(test)]
mod tests {
    use super::{errors, is_refusal};

    /// Returns what cargo writes about an error.
    fn line(name: &str, level: &str, message: &str) -> String {
        let line = serde_json::json!({
            "reason": "compiler-message",
            "target": { "name": name, "kind": ["lib"] },
            "message": { "level": level, "message": message, "spans": [] },
        });
        format!("{line}\n")
    }

    #[test]
    fn only_the_refusal_and_its_consequence_are_a_refusal() {
        let refusal = line("evio_sys", "error", "needs a kernel");
        let consequence = line("evio_sys", "error", "unresolved import `imp`");
        let end = line("evio_sys", "error", "aborting due to 2 previous errors");
        let warning = line("nix", "warning", "unused");
        let other = line("nix", "error", "cannot find type `Flock`");
        let built = "{\"reason\":\"build-finished\",\"success\":false}\n".to_owned();
        let cases = [
            (vec![&refusal, &built], true),
            (vec![&warning, &refusal, &consequence, &end, &built], true),
            (vec![&consequence, &end], false),
            (vec![&refusal, &other], false),
            (vec![&built], false),
        ];
        for (lines, is_refused) in cases {
            let output: String = lines.into_iter().map(String::as_str).collect();
            assert_eq!(is_refusal(&errors(&output).unwrap(), "a kernel"), is_refused, "{output}");
        }
    }
}
