//! Reads `http_vectors.txt`, and the replies to what is in it.

/// What is sent, and what must come back.
pub(super) struct Vector {
    /// Where it stands: the paragraph and the line of the file.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) replies: Vec<Reply>,
    /// Whether the connection closes after the last reply.
    pub(super) closes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) has_body: bool,
}

/// A request that any connection answers, unless it closes before, with [`ANSWERED`].
pub(super) const PROBE: &[u8] = b"GET /probe HTTP/1.1\r\nHost: a\r\n\r\n";
pub(super) const ANSWERED: Reply = Reply { code: 200, has_body: true };

/// Returns all vectors of the file.
pub(super) fn all() -> Vec<Vector> {
    let file = include_str!("http_vectors.txt");
    let lines = file.lines().zip(1..).filter(|(line, _)| !line.is_empty());
    lines
        .filter(|(line, _)| !line.starts_with('#'))
        .map(|(line, number)| read(line, number))
        .collect()
}

impl Vector {
    /// Returns this request with a probe before and behind it as one input, and all replies.
    pub(super) fn with_probes(&self, before: bool) -> (Vec<u8>, Vec<Reply>) {
        let (first, first_reply) = if before { (PROBE, Some(ANSWERED)) } else { (&b""[..], None) };
        let last_reply = (!self.closes).then_some(ANSWERED);
        let replies = self.replies.iter().copied();
        let replies = first_reply.into_iter().chain(replies).chain(last_reply);
        ([first, &self.bytes, PROBE].concat(), replies.collect())
    }
}

fn read(line: &str, number: usize) -> Vector {
    let mut parts = line.splitn(3, ' ');
    let mut part = || parts.next().unwrap_or_else(|| panic!("line {number} has three parts"));
    let (paragraph, statuses, text) = (part(), part(), part());
    let replies = statuses.split('+').map(|status| Reply {
        code: status[..3].parse().unwrap_or_else(|error| panic!("line {number}: {error}")),
        has_body: !status[3..].contains('h') && status != "100",
    });
    Vector {
        name: format!("{paragraph} (line {number})"),
        bytes: unescape(text),
        replies: replies.collect(),
        closes: statuses.ends_with('c'),
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match (first, rest.as_bytes().first()) {
            ('\\', Some(b'x')) => {
                bytes.push(u8::from_str_radix(&rest[1..3], 16).expect("two digits"));
                rest = &rest[3..];
            }
            ('\\', Some(&escape)) => {
                let known = [(b'r', b'\r'), (b'n', b'\n'), (b't', b'\t'), (b'\\', b'\\')];
                let (_, byte) =
                    known.into_iter().find(|(name, _)| *name == escape).expect("an escape");
                bytes.push(byte);
                rest = &rest[1..];
            }
            ('@', Some(b'{')) => {
                let (inside, after) = rest[1..].split_once('}').expect("a closing brace");
                let (count, text) = inside.split_once('*').expect("a count and a text");
                bytes.extend(unescape(text).repeat(count.parse().expect("a count")));
                rest = after;
            }
            _ => bytes.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// Cuts all replies out of a stream, of which `expected` says whether they have bodies.
pub(super) fn replies(stream: &[u8], expected: &[Reply]) -> Result<Vec<u16>, String> {
    let (mut rest, mut codes) = (stream, Vec::new());
    while !rest.is_empty() {
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n").ok_or("half a head")?;
        let head = std::str::from_utf8(&rest[..end + 2]).map_err(|error| error.to_string())?;
        let code = head.strip_prefix("HTTP/1.1 ").and_then(|line| line.get(..3)?.parse().ok());
        let length =
            head.split("\r\nContent-Length: ").nth(1).and_then(|text| text.split('\r').next());
        let length = length
            .map_or(Ok(0), |text| text.parse::<usize>().map_err(|error| error.to_string()))?;
        let has_body = expected.get(codes.len()).is_none_or(|reply| reply.has_body);
        codes.push(code.ok_or("no status line")?);
        let body = &rest[end + 4..];
        rest = body.get(if has_body { length } else { 0 }..).ok_or("half a body")?;
    }
    Ok(codes)
}
