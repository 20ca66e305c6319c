//! Which options of `cargo xtask bench` make no sense together.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Args, DURATION, Suite};

impl Args {
    /// Refuses options that no chosen suite heeds, and those that make no sense together.
    pub(in crate::bench) fn check(&self) -> Result<(), String> {
        self.check_compare()?;
        let chosen = self.suites();
        if self.self_check && chosen != [Suite::Echo] {
            return Err("--self-check is of echo alone; leave the other suites out".to_owned());
        }
        for option in self.particular() {
            let heeds = |suite: &Suite| suite.heeds().contains(&option);
            if !chosen.iter().any(heeds) {
                let all = Suite::value_variants().iter().copied();
                let suites: Vec<Suite> = all.filter(heeds).collect();
                let plural = if suites.len() == 1 { "" } else { "s" };
                return Err(format!("{option} is for the suite{plural} {}", list(&suites)));
            }
        }
        for name in &self.against {
            let measures = |suite: &Suite| suite.peers(self).iter().any(|peer| peer.name == name);
            if !chosen.iter().any(measures) {
                return Err(format!("{name} is not measured in {}", list(&chosen)));
            }
        }
        if self.save && self.duration() < DURATION {
            return Err(format!("--save needs a --duration of at least {DURATION} seconds"));
        }
        Ok(())
    }

    fn check_compare(&self) -> Result<(), String> {
        let is_suite = |file: &&PathBuf| {
            file.to_str().is_some_and(|name| Suite::from_str(name, false).is_ok()) && !file.exists()
        };
        if let Some(suite) = self.compare.iter().find(is_suite) {
            return Err(format!("put {} before --compare, which takes files", suite.display()));
        }
        let measures = !self.suites.is_empty()
            || self.quick
            || self.self_check
            || self.no_build
            || self.json.is_some()
            || self.particular().next().is_some();
        match self.compare.len() {
            0 | 1 => Ok(()),
            2 if !measures => Ok(()),
            2 => Err("nothing is measured with two files to --compare; leave the rest out".into()),
            _ => Err("--compare takes two files at most".to_owned()),
        }
    }

    /// Names the options that were given, of those that some suite does not heed.
    fn particular(&self) -> impl Iterator<Item = &'static str> {
        let options = [
            ("--duration", self.duration.is_some()),
            ("--connections", self.connections.is_some()),
            ("--size", self.size.is_some()),
            ("--pipeline", self.pipeline.is_some()),
            ("--loops", self.loops.is_some()),
            ("--unix", self.unix),
            ("--against", !self.against.is_empty()),
        ];
        options.into_iter().filter_map(|(option, given)| given.then_some(option))
    }
}

/// Names suites as a sentence does.
fn list(suites: &[Suite]) -> String {
    let names: Vec<String> = suites.iter().map(Suite::to_string).collect();
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;

    #[test]
    fn what_no_suite_heeds_is_refused() {
        let check = |arguments: &str| {
            parse(&arguments.split_whitespace().collect::<Vec<_>>()).unwrap().check()
        };
        for (arguments, error) in [
            ("http --size 9", "--size is for the suites echo and proxy"),
            ("udp redis --loops 3", "--loops is for the suite scale"),
            ("memory --duration 1", "--duration is for the suites echo, udp"),
            ("neighbours --connections 9", "--connections is for the suites echo, udp"),
            ("neighbours --against tokio", "--against is for the suites echo, connect"),
            ("wake --against mio", "--against is for the suites echo, connect"),
            ("udp --self-check", "--self-check is of echo alone"),
            ("--self-check --unix", "--unix is for the suite redis"),
            ("--save --duration 2.9", "--save needs a --duration of at least 3 seconds"),
            ("idle memory --against threads mio monoio", "monoio is not measured in idle and"),
            ("--compare redis", "put redis before --compare"),
            ("--compare a b --compare c", "--compare takes two files"),
            ("--compare a b --json c", "nothing is measured with two files"),
            ("--quick --compare a b", "nothing is measured with two files"),
        ] {
            let refused = check(arguments).unwrap_err();
            assert!(refused.starts_with(error), "{arguments}: {refused}");
        }
        for arguments in [
            "",
            "http proxy --size 9",
            "--size 9 --loops 3 --unix",
            "--self-check",
            "--save echo --duration 3",
            "--compare a b",
            "redis --compare a",
            "--self-check echo echo",
        ] {
            assert_eq!(check(arguments), Ok(()), "{arguments}");
        }
    }
}
