//! `Range`: RFC 9110, sections 14.1.2 and 14.2, and its replies, sections 15.3.7 and 15.5.17.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select as one_of;

use super::site::{Site, content, field};
use crate::http::files::range::{Selection, select};

const TEXT: &[u8] = b"0123456789";

fn part(offset: u64, len: u64) -> Selection {
    Selection::Part { offset, len }
}

#[test]
fn ranges_of_ten_bytes() {
    let whole = Selection::Whole;
    let cases = [
        // The examples of section 14.1.2, on a shorter file.
        ("bytes=0-4", part(0, 5)),
        ("bytes=5-9", part(5, 5)),
        ("bytes=-5", part(5, 5)),
        ("bytes=5-", part(5, 5)),
        ("bytes=0-0", part(0, 1)),
        ("bytes=-1", part(9, 1)),
        // "If the last-pos value is absent, or greater than or equal to the current length".
        ("bytes=3-100", part(3, 7)),
        ("bytes=0-", part(0, 10)),
        ("bytes=0-99999999999999999999999", part(0, 10)),
        // "If the selected representation is shorter than the specified suffix-length".
        ("bytes=-11", part(0, 10)),
        ("bytes=-99999999999999999999999", part(0, 10)),
        // Unsatisfiable: the first position is not within the file, or the suffix is empty.
        ("bytes=10-", Selection::Unsatisfiable),
        ("bytes=10-20", Selection::Unsatisfiable),
        ("bytes=-0", Selection::Unsatisfiable),
        ("bytes=99999999999999999999999-", Selection::Unsatisfiable),
        ("bytes=10-,-0", Selection::Unsatisfiable),
        // "An int-range is invalid if the last-pos value is present and less than first-pos".
        ("bytes=4-3", whole),
        ("bytes=0-1,4-3", whole),
        // Invalid by the grammar of section 14.1.1.
        ("", whole),
        ("bytes", whole),
        ("bytes=", whole),
        ("bytes=-", whole),
        ("bytes=a-b", whole),
        ("bytes=+1-2", whole),
        ("bytes=--1", whole),
        ("bytes=0x1-2", whole),
        ("bytes=1 - 2", whole),
        ("bytes=1-2-3", whole),
        ("bytes=1", whole),
        ("bytes =0-1", whole),
        ("bytes:0-1", whole),
        ("bytes=,", whole),
        // A unit that is not known here, section 14.2.
        ("lines=0-1", whole),
        // Unit names are case-insensitive, section 14.1.
        ("Bytes=0-1", part(0, 2)),
        // Lists may have blanks and empty members, section 5.6.1.2.
        ("bytes= 0-1", part(0, 2)),
        ("bytes=,0-1 ,", part(0, 2)),
        // One that can be satisfied among others is a single range.
        ("bytes=20-,0-1", part(0, 2)),
        // Several are answered with the whole, as section 14.2 allows.
        ("bytes=0-1,3-4", whole),
        ("bytes=0-,0-,0-,0-,0-,0-,0-", whole),
        ("bytes=0-0,-1", whole),
    ];
    for (value, expected) in cases {
        assert_eq!(select(value.as_bytes(), 10), expected, "{value}");
    }
}

#[test]
fn ranges_of_an_empty_file() {
    assert_eq!(select(b"bytes=0-", 0), Selection::Unsatisfiable);
    assert_eq!(select(b"bytes=0-0", 0), Selection::Unsatisfiable);
    // Satisfiable by section 14.1.2; nothing can say in `Content-Range` which bytes these are.
    assert_eq!(select(b"bytes=-1", 0), Selection::Whole);
}

#[test]
fn replies_to_ranges() {
    let site = Site::new();
    site.write("a.txt", TEXT);
    let whole = site.get("/a.txt");
    assert_eq!((whole.status, whole.field("Content-Range")), (200, None));
    assert_eq!(field(&whole, "Accept-Ranges"), "bytes");
    let etag = field(&whole, "ETag");

    let some = site.ask("GET", "/a.txt", &[("Range", "bytes=2-4")]);
    assert_eq!((some.status, some.content_length), (206, Some(3)));
    assert_eq!(field(&some, "Content-Range"), "bytes 2-4/10");
    // Section 15.3.7: the fields that the whole has.
    assert_eq!(field(&some, "ETag"), etag);
    assert_eq!(field(&some, "Last-Modified"), field(&whole, "Last-Modified"));
    assert_eq!(field(&some, "Content-Type"), "text/plain; charset=utf-8");
    assert_eq!(content(some), b"234");

    let none = site.ask("GET", "/a.txt", &[("Range", "bytes=10-")]);
    assert_eq!((none.status, field(&none, "Content-Range").as_str()), (416, "bytes */10"));

    let several = site.ask("GET", "/a.txt", &[("Range", "bytes=0-1,3-4")]);
    assert_eq!((several.status, several.field("Content-Range")), (200, None));
    assert_eq!(content(several), TEXT);

    // The same field twice is not one list of ranges.
    let doubled = site.ask("GET", "/a.txt", &[("Range", "bytes=0-1"), ("range", "bytes=0-1")]);
    assert_eq!(content(doubled), TEXT);
}

#[test]
fn a_range_means_nothing_to_head() {
    // Section 14.2: "GET is the only method for which range handling is defined".
    let site = Site::new();
    site.write("a.txt", TEXT);
    for range in ["bytes=2-4", "bytes=99-"] {
        let reply = site.ask("HEAD", "/a.txt", &[("Range", range)]);
        assert_eq!((reply.status, reply.content_length), (200, Some(10)), "{range}");
        assert_eq!(content(reply), b"");
    }
}

/// A range as a client means it.
#[derive(Clone, Copy, Debug)]
enum Meant {
    Between(u64, u64),
    From(u64),
    Last(u64),
}

impl Meant {
    fn text(self) -> String {
        match self {
            Self::Between(first, last) => format!("{first}-{last}"),
            Self::From(first) => format!("{first}-"),
            Self::Last(count) => format!("-{count}"),
        }
    }

    fn is_valid(self) -> bool {
        !matches!(self, Self::Between(first, last) if last < first)
    }

    /// Asks each position of the file in turn whether it is meant.
    fn positions(self, len: u64) -> Vec<u64> {
        let is_meant = |&at: &u64| match self {
            Self::Between(first, last) => first <= at && at <= last,
            Self::From(first) => first <= at,
            Self::Last(count) => at + count >= len,
        };
        (0..len).filter(is_meant).collect()
    }

    fn is_satisfiable(self, len: u64) -> bool {
        match self {
            Self::Between(first, _) | Self::From(first) => (0..len).any(|at| at == first),
            Self::Last(count) => count > 0,
        }
    }
}

/// The slow way to the same answer, from the words of section 14.1.2.
fn model(ranges: &[Meant], len: u64) -> Selection {
    if ranges.is_empty() || ranges.iter().any(|range| !range.is_valid()) {
        return Selection::Whole;
    }
    let satisfiable: Vec<&Meant> =
        ranges.iter().filter(|range| range.is_satisfiable(len)).collect();
    match satisfiable[..] {
        [] => Selection::Unsatisfiable,
        [only] => match only.positions(len)[..] {
            [] => Selection::Whole,
            [first, ..] => part(first, only.positions(len).len() as u64),
        },
        _ => Selection::Whole,
    }
}

fn meant() -> impl Strategy<Value = Meant> {
    let number = || 0..24u64;
    prop_oneof![
        (number(), number()).prop_map(|(first, last)| Meant::Between(first, last)),
        number().prop_map(Meant::From),
        number().prop_map(Meant::Last),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_model_agrees(
        ranges in vec(meant(), 0..4),
        len in 0..20u64,
        unit in one_of(&["bytes", "BYTES", "bYtes"][..]),
        comma in one_of(&[",", " , ", ",,", "\t,"][..]),
        zeros in one_of(&["", "0", "000000000000000000000000"][..]),
    ) {
        let texts: Vec<String> = ranges
            .iter()
            .map(|range| match range {
                Meant::Last(count) => format!("-{zeros}{count}"),
                other => format!("{zeros}{}", other.text()),
            })
            .collect();
        let value = format!("{unit}={}", texts.join(comma));
        prop_assert_eq!(select(value.as_bytes(), len), model(&ranges, len), "{}", value);
    }

    #[test]
    fn no_value_selects_what_is_not_there(
        value in "(bytes=)?[-0-9, a]{0,24}",
        len in any::<u64>(),
    ) {
        if let Selection::Part { offset, len: count } = select(value.as_bytes(), len) {
            prop_assert!(count > 0 && offset < len && count <= len - offset);
        }
    }
}
