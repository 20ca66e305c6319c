//! The settings that `CONFIG` knows.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::server::Server;

/// Settings of redis that say how values are laid out in memory there. Here they are remembered,
/// since programs set them, and have no effect.
const REMEMBERED: &[(&str, &str)] = &[
    ("hash-max-listpack-entries", "512"),
    ("hash-max-listpack-value", "64"),
    ("list-compress-depth", "0"),
    ("list-max-listpack-size", "-2"),
    ("set-max-intset-entries", "512"),
    ("set-max-listpack-entries", "128"),
    ("set-max-listpack-value", "64"),
    ("zset-max-listpack-entries", "128"),
    ("zset-max-listpack-value", "64"),
    ("hash-max-ziplist-entries", "512"),
    ("hash-max-ziplist-value", "64"),
    ("list-max-ziplist-size", "-2"),
    ("zset-max-ziplist-entries", "128"),
    ("zset-max-ziplist-value", "64"),
    ("lazyfree-lazy-user-del", "yes"),
    ("lazyfree-lazy-user-flush", "yes"),
];

/// The longest value of a setting that is remembered.
const MAX_VALUE_LEN: usize = 64;

/// The settings that were changed, of those that are only remembered.
#[derive(Debug, Default)]
pub(super) struct Settings {
    changed: Mutex<BTreeMap<&'static str, String>>,
}

/// Why a setting cannot be set.
pub(super) enum Refusal {
    Unknown,
    Immutable,
    Value(&'static str),
}

impl Server {
    /// Returns all settings with their values, by name.
    pub(super) fn all_settings(&self) -> BTreeMap<&'static str, String> {
        let mut all: BTreeMap<_, _> =
            REMEMBERED.iter().map(|&(name, value)| (name, value.to_owned())).collect();
        all.extend(self.settings.changed.lock().clone());
        let options = &self.options;
        let on_or_off = |on: bool| if on { "yes" } else { "no" }.to_owned();
        all.extend([
            ("appendonly", on_or_off(options.appends)),
            ("databases", "1".to_owned()),
            ("maxclients", options.max_clients.to_string()),
            ("maxmemory", self.store.max_memory().to_string()),
            ("maxmemory-policy", "noeviction".to_owned()),
            ("port", options.port.to_string()),
            ("proto-max-bulk-len", crate::resp::MAX_BULK_LEN.to_string()),
            ("save", String::new()),
            ("tcp-keepalive", "300".to_owned()),
            ("timeout", options.idle_timeout.map_or(0, |time| time.as_secs()).to_string()),
        ]);
        all
    }

    /// Checks a new value of a setting, and sets it if that is asked for: several are set together
    /// or not at all.
    pub(super) fn set_setting(&self, name: &str, value: &[u8], set: bool) -> Result<(), Refusal> {
        let text = std::str::from_utf8(value).map_err(|_| Refusal::Value("not a text"))?;
        match name {
            "maxmemory" => {
                let bytes =
                    parse_memory(text).ok_or(Refusal::Value("argument must be a memory value"))?;
                if set {
                    self.store.set_max_memory(bytes);
                }
            }
            "maxmemory-policy" if text != "noeviction" => {
                return Err(Refusal::Value("only noeviction is there"));
            }
            "save" if !text.is_empty() => return Err(Refusal::Value("nothing is ever saved")),
            "maxmemory-policy" | "save" => {}
            _ => {
                let Some((name, _)) = REMEMBERED.iter().find(|(known, _)| *known == name) else {
                    let is_known = self.all_settings().contains_key(name);
                    return Err(if is_known { Refusal::Immutable } else { Refusal::Unknown });
                };
                if text.len() > MAX_VALUE_LEN {
                    return Err(Refusal::Value("too long"));
                }
                if set {
                    self.settings.changed.lock().insert(name, text.to_owned());
                }
            }
        }
        Ok(())
    }
}

/// Parses a number of bytes as redis writes it: `100`, `100mb`, `1G`.
///
/// As there, `k` is 1,000 and `kb` is 1,024.
pub fn parse_memory(text: &str) -> Option<usize> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: usize = text[..digits].parse().ok()?;
    let unit = match text[digits..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_units() {
        let cases = [
            ("0", Some(0)),
            ("100", Some(100)),
            ("1k", Some(1000)),
            ("1kb", Some(1024)),
            ("2MB", Some(2 << 20)),
            ("1G", Some(1_000_000_000)),
            ("1gb", Some(1 << 30)),
            ("", None),
            ("-1", None),
            ("1tb", None),
            ("99999999999999999999", None),
            ("99999999999999gb", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_memory(text), expected, "{text}");
        }
    }
}
