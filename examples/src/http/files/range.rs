//! Byte ranges, RFC 9110, section 14.

/// The part of a file that a `Range` field selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// The field is not heeded.
    Whole,
    /// 206: these bytes, at least one.
    Part { offset: u64, len: u64 },
    /// 416: none of the ranges begins within the file.
    Unsatisfiable,
}

/// Applies the value of a `Range` field to a file of `len` bytes.
///
/// An invalid value and an unknown unit are ignored, section 14.2. So is a field with several
/// satisfiable ranges, which that section allows too.
pub(super) fn select(value: &[u8], len: u64) -> Selection {
    let Some(specs) = specs(value) else { return Selection::Whole };
    let mut satisfiable = specs.into_iter().filter_map(|spec| spec.resolve(len));
    match (satisfiable.next(), satisfiable.next()) {
        (None, _) => Selection::Unsatisfiable,
        // The last bytes of an empty file: satisfiable by section 14.1.2, but no `Content-Range`
        // can say so.
        (Some((_, 0)), None) => Selection::Whole,
        (Some((offset, len)), None) => Selection::Part { offset, len },
        (Some(_), Some(_)) => Selection::Whole,
    }
}

/// A member of a range set, section 14.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spec {
    /// From the first position to the last one, inclusive.
    Between(u64, u64),
    /// So many bytes at the end.
    Suffix(u64),
}

impl Spec {
    /// Returns the offset and the length within a file of `len` bytes; none if it is unsatisfiable.
    fn resolve(self, len: u64) -> Option<(u64, u64)> {
        match self {
            Self::Between(first, _) if first >= len => None,
            Self::Between(first, last) => Some((first, last.min(len - 1) - first + 1)),
            Self::Suffix(0) => None,
            Self::Suffix(count) => Some((len - count.min(len), count.min(len))),
        }
    }
}

/// Reads the ranges of a field; none if it is not valid, or about another unit than bytes.
fn specs(value: &[u8]) -> Option<Vec<Spec>> {
    let equals = value.iter().position(|&byte| byte == b'=')?;
    if !value[..equals].eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut specs = Vec::new();
    // Empty members are passed over, section 5.6.1.2.
    let members = value[equals + 1..].split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    for member in members.filter(|member| !member.is_empty()) {
        specs.push(spec(member)?);
    }
    (!specs.is_empty()).then_some(specs)
}

fn spec(text: &[u8]) -> Option<Spec> {
    let dash = text.iter().position(|&byte| byte == b'-')?;
    match (&text[..dash], &text[dash + 1..]) {
        ([], count) => Some(Spec::Suffix(number(count)?)),
        (first, []) => Some(Spec::Between(number(first)?, u64::MAX)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::Between(first, last))
        }
    }
}

/// Reads a decimal number. One that is too large counts as the largest: no file is that long.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add =
        |number: u64, digit: &u8| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.iter().fold(0, add))
}
