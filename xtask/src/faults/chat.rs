//! What a guest of the chat server says and may hear: everyone hears everything.

use super::client::{Done, Trouble};

/// How many bytes a line brings: the server takes 1,024, with room here for a sum.
const LINE: usize = 900;

/// The first line that each guest hears.
const HELP: &str = "Type /nick NAME to take another name, /quit to leave.";

/// What one guest has said, and what it must hear of that.
#[derive(Debug)]
pub(super) struct Guest {
    name: String,
    has_heard_help: bool,
}

impl Guest {
    /// The numbers of guests are their own, and so are their names.
    pub(super) fn new(number: u64) -> Self {
        Self { name: format!("n{number}"), has_heard_help: false }
    }

    /// Looks at a line without its end, of which this guest must hear `expected` some time. Tells
    /// whether it was that one.
    pub(super) fn hear(&mut self, line: &[u8], expected: Option<&str>) -> Done<bool> {
        let wrong = |what| Err(Trouble::Fault(format!("{what}: {}", line.escape_ascii())));
        let Ok(text) = std::str::from_utf8(line) else { return wrong("no text") };
        if !self.has_heard_help {
            self.has_heard_help = true;
            return if text == HELP { Ok(false) } else { wrong("no greeting") };
        }
        let Some((name, said)) = text.split_once(": ").filter(|_| !text.starts_with("* ")) else {
            let is_news = text.starts_with("* guest-") || text.starts_with("* n");
            return if is_news { Ok(false) } else { wrong("neither news nor words") };
        };
        match expected {
            Some(expected) if name == self.name && said == expected => Ok(true),
            _ if name == self.name => wrong("this guest has not said that, or not yet"),
            _ if name.starts_with('n') && is_whole(said) => Ok(false),
            _ => wrong("nobody has said that"),
        }
    }
}

/// What a guest of this number says first.
pub(super) fn introduction(number: u64) -> String {
    format!("/nick n{number}\n")
}

/// Makes lines of bytes. Each has a sum, by which guests see that what others say is whole.
pub(super) fn lines(bytes: &[u8]) -> Vec<String> {
    let line = |piece: &[u8]| {
        let text: String = piece.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
        format!("{text} {:08x}", sum(&text))
    };
    bytes.chunks(LINE).map(line).collect()
}

fn is_whole(line: &str) -> bool {
    line.split_once(' ').is_some_and(|(text, given)| given == format!("{:08x}", sum(text)))
}

/// FNV-1a.
fn sum(text: &str) -> u32 {
    let fold = |sum: u32, byte: u8| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    text.bytes().fold(0x811C_9DC5, fold)
}

#[cfg(test)]
mod tests {
    use super::{Guest, HELP, lines};

    #[test]
    fn a_guest_hears_its_own_words_in_order_and_whole_ones_of_others() {
        let said = lines(&[7; 1_000]);
        let mut guest = Guest::new(1);
        let mut hear = |line: &str, expected| guest.hear(line.as_bytes(), expected);
        assert!(hear(HELP, Some(&*said[0])).is_ok_and(|own| !own));
        assert!(hear("* guest-3 is here", None).is_ok_and(|own| !own));
        assert!(hear(&format!("n2: {}", said[0]), None).is_ok_and(|own| !own));
        assert!(hear(&format!("n1: {}", said[0]), Some(&*said[0])).is_ok_and(|own| own));
        assert!(hear(&format!("n1: {}", said[1]), Some(&*said[0])).is_err(), "the order");
        assert!(hear(&format!("n1: {}", said[0]), None).is_err(), "it has come before");
        assert!(hear(&format!("n2: {}", &said[0][1..]), None).is_err(), "a byte is missing");
        assert!(hear(HELP, None).is_err(), "the greeting comes once");
    }

    #[test]
    fn the_greeting_comes_first() {
        assert!(Guest::new(1).hear(b"* guest-3 is here", None).is_err());
    }
}
