//! Which content coding a client likes best, RFC 9110, section 12.5.3.

/// The form in which a file is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Gzip,
    Identity,
}

/// All codings, the smallest result first: the order among those that a client likes equally.
const CODINGS: [Coding; 3] = [Coding::Brotli, Coding::Gzip, Coding::Identity];

impl Coding {
    /// Returns the value of `Content-Encoding`.
    pub(super) fn token(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }

    /// Returns what the name of a file in this coding has at its end.
    pub(super) fn suffix(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some(".br"),
            Self::Gzip => Some(".gz"),
            Self::Identity => None,
        }
    }

    fn is_called(self, name: &[u8]) -> bool {
        let names: &[&str] = match self {
            Self::Brotli => &["br"],
            // RFC 9110, section 8.4.1.3: the two are the same.
            Self::Gzip => &["gzip", "x-gzip"],
            Self::Identity => &["identity"],
        };
        names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    }
}

/// Returns the codings that a client accepts, best first; `lines` are its `Accept-Encoding` fields.
///
/// A member of the list that is malformed is passed over. Of two about one coding the first counts.
pub(super) fn preferences(lines: &[&[u8]]) -> Vec<Coding> {
    if lines.is_empty() {
        // Everything is acceptable; the plain form is what a client without a wish can read.
        return vec![Coding::Identity];
    }
    let members = lines.iter().flat_map(|line| line.split(|&byte| byte == b','));
    let members: Vec<(&[u8], u16)> = members.filter_map(member).collect();
    let weight_of = |is_meant: &dyn Fn(&[u8]) -> bool| {
        members.iter().find(|(name, _)| is_meant(name)).map(|&(_, weight)| weight)
    };
    let any = weight_of(&|name| name == b"*");
    let weight = |coding: Coding| {
        let listed = weight_of(&|name| coding.is_called(name));
        match (coding, listed) {
            (_, Some(weight)) => weight * 2,
            // Acceptable unless excluded, and behind whatever is listed.
            (Coding::Identity, None) => u16::from(any != Some(0)),
            (_, None) => any.unwrap_or(0) * 2,
        }
    };
    let mut codings = CODINGS.to_vec();
    codings.retain(|&coding| weight(coding) > 0);
    // The sort is stable: equals stay in the order of the table.
    codings.sort_by_key(|&coding| std::cmp::Reverse(weight(coding)));
    codings
}

/// Reads `name` or `name;q=weight`; the weight is in thousandths.
fn member(member: &[u8]) -> Option<(&[u8], u16)> {
    let mut parts = member.splitn(2, |&byte| byte == b';');
    let name = parts.next()?.trim_ascii();
    let weight = match parts.next() {
        None => 1000,
        Some(parameter) => match parameter.trim_ascii() {
            [b'q' | b'Q', b'=', weight @ ..] => qvalue(weight)?,
            _ => return None,
        },
    };
    Some((name, weight))
}

/// Reads a weight of RFC 9110, section 12.4.2: 0 to 1 with up to three decimals.
fn qvalue(text: &[u8]) -> Option<u16> {
    let (whole, decimals) = match text {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] => (whole, decimals),
        _ => return None,
    };
    if !matches!(whole, b'0' | b'1') || decimals.len() > 3 {
        return None;
    }
    let mut thousandths = u16::from(whole - b'0') * 1000;
    for (digit, unit) in decimals.iter().zip([100, 10, 1]) {
        thousandths += match digit {
            b'0'..=b'9' => u16::from(digit - b'0') * unit,
            _ => return None,
        };
    }
    (thousandths <= 1000).then_some(thousandths)
}
