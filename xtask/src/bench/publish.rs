//! Results that are kept in the repository: figures, charts, the page that shows them, and the
//! section of the README.

use std::fs::{self, File};
use std::path::Path;

use super::chart::CHARTS;
use super::page;
use super::readme;
use super::results::Results;
use crate::workspace_root;

/// Where figures and charts are kept.
const DIRECTORY: &str = "benchmarks/results";

/// Where all of them are shown, and where a few are.
const PAGE: &str = "benchmarks/RESULTS.md";
const README: &str = "README.md";

/// Keeps the results of a run, one file per suite, redraws its charts and rewrites the page and the
/// README's section.
pub(super) fn save(results: &Results) -> crate::Result {
    save_in(workspace_root(), results)
}

/// Reads results that a run has written.
pub(super) fn read(file: &Path) -> crate::Result<Results> {
    let failed = |error: &dyn std::error::Error| format!("cannot read {}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| failed(&error))?;
    Ok(serde_json::from_str(&text).map_err(|error| failed(&error))?)
}

/// Fails if what was saved before cannot be read, or the README has no place for it.
pub(super) fn check_saved() -> crate::Result {
    render(workspace_root()).map(|_| ())
}

/// Fails if `file` cannot be written, and leaves no file where there was none.
pub(super) fn check_writable(file: &Path) -> crate::Result {
    let is_new = !file.exists();
    let opened = File::options().append(true).create(true).open(file);
    opened.map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    if is_new {
        fs::remove_file(file)?;
    }
    Ok(())
}

fn save_in(root: &Path, results: &Results) -> crate::Result {
    let directory = root.join(DIRECTORY);
    fs::create_dir_all(&directory)?;
    for suite in &results.suites {
        let alone = Results { suites: vec![suite.clone()], ..results.clone() };
        alone.write(&directory.join(&suite.suite).with_extension("json"))?;
    }
    for chart in CHARTS {
        if let Some(svg) = chart.draw(results) {
            fs::write(directory.join(chart.file).with_extension("svg"), svg)?;
        }
    }
    for (file, text) in render(root)? {
        fs::write(root.join(file), text)?;
    }
    Ok(())
}

/// Returns the page and the README with the results of all suites that were ever saved.
fn render(root: &Path) -> crate::Result<[(&'static str, String); 2]> {
    let readme = fs::read_to_string(root.join(README));
    let readme = readme.map_err(|error| format!("cannot read {README}: {error}"))?;
    let saved = saved(&root.join(DIRECTORY))?;
    Ok([(PAGE, page::render(&saved)), (README, readme::replace(&readme, &saved)?)])
}

/// Reads the results of all suites that were ever saved.
fn saved(directory: &Path) -> crate::Result<Vec<Results>> {
    let mut results = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            results.push(read(&path)?);
        }
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results_sample::{case, results, server, suite};

    #[test]
    fn suites_of_several_runs_are_kept_side_by_side() {
        let root = std::env::temp_dir().join(format!("evio-publish-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let readme = root.join("README.md");
        fs::write(&readme, "<!-- bench:begin --><!-- bench:end -->\n").unwrap();
        let run = |name: &str, key: &str| {
            let servers = vec![server("theirs", 1.0), server("evio", 0.5)];
            results(vec![suite(name, vec![case(key, servers)])])
        };

        save_in(&root, &run("http", "get-1")).unwrap();
        save_in(&root, &run("redis", "set-1")).unwrap();

        let directory = root.join(DIRECTORY);
        assert_eq!(read(&directory.join("http.json")).unwrap(), run("http", "get-1"));
        assert!(directory.join("redis-1.svg").is_file() && !directory.join("echo.svg").exists());
        let text = fs::read_to_string(root.join(PAGE)).unwrap();
        assert!(text.contains("title of get-1") && text.contains("title of set-1"), "{text}");
        assert!(fs::read_to_string(&readme).unwrap().contains(PAGE));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_named_and_what_can_be_is_left_alone() {
        let error = check_writable(Path::new("/no/such/file.json")).unwrap_err().to_string();
        assert!(error.contains("/no/such/file.json"), "{error}");
        let file = std::env::temp_dir().join(format!("evio-writable-{}", std::process::id()));
        check_writable(&file).unwrap();
        assert!(!file.exists());
        fs::write(&file, "kept").unwrap();
        check_writable(&file).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn file_that_cannot_be_read_is_named() {
        let error = read(Path::new("/no/such/file.json")).unwrap_err().to_string();
        assert!(error.contains("/no/such/file.json"), "{error}");
    }
}
