//! A client that understands both versions of the protocol.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::io::{BufRead, BufReader, Read, Write};

/// A reply, with its type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    Simple(String),
    Error(String),
    Integer(i64),
    Double(String),
    Bulk(Vec<u8>),
    Null,
    NullArray,
    Boolean(String),
    /// An array, a set or a push, by its marker.
    Array(char, Vec<Reply>),
    /// The pairs of a map.
    Map(Vec<(Reply, Reply)>),
}

impl Reply {
    /// Puts the elements in order, and those of the arrays in it.
    pub fn sorted(self) -> Self {
        match self {
            Self::Array(marker, elements) => {
                let mut elements: Vec<_> = elements.into_iter().map(Self::sorted).collect();
                elements.sort();
                Self::Array(marker, elements)
            }
            Self::Map(mut pairs) => {
                pairs.sort();
                Self::Map(pairs)
            }
            other => other,
        }
    }

    /// Takes the elements of an array in pairs, which a map is in RESP2, and puts those in order.
    pub fn in_pairs(self) -> Self {
        let Self::Array(_, elements) = self else { return self.sorted() };
        let pairs = elements.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        Self::Map(pairs.collect()).sorted()
    }

    /// Leaves out which strings there are.
    pub fn shape(&self) -> Self {
        match self {
            Self::Bulk(_) => Self::Bulk(Vec::new()),
            Self::Double(_) => Self::Double(String::new()),
            Self::Array(marker, elements) => {
                Self::Array(*marker, elements.iter().map(Self::shape).collect())
            }
            other => other.clone(),
        }
    }

    /// Tells whether both are the same, or numbers that differ by no more than `distance`.
    pub fn is_near(&self, other: &Self, distance: i64) -> bool {
        match (self, other) {
            // Below zero are answers, not times.
            (Self::Integer(one @ 0..), Self::Integer(two @ 0..)) => (one - two).abs() <= distance,
            _ => self == other,
        }
    }

    /// Returns the strings of an array, or the one that this is.
    pub fn members(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Bulk(bytes) => vec![bytes.clone()],
            Self::Array(_, elements) => elements.iter().flat_map(Self::members).collect(),
            _ => Vec::new(),
        }
    }
}

/// A connection to a server.
pub struct Client<S: Read> {
    stream: BufReader<S>,
}

impl<S: Read + Write> Client<S> {
    pub fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    pub fn ask(&mut self, command: &[Vec<u8>]) -> Reply {
        let mut request = format!("*{}\r\n", command.len()).into_bytes();
        for word in command {
            request.extend(format!("${}\r\n", word.len()).as_bytes());
            request.extend(word);
            request.extend(b"\r\n");
        }
        self.stream.get_mut().write_all(&request).unwrap();
        self.read()
    }

    pub fn ask_text(&mut self, command: &str) -> Reply {
        let words: Vec<_> = command.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        self.ask(&words)
    }

    /// Asks a server that may go away; then there is no reply.
    pub fn try_ask_text(&mut self, command: &str) -> Option<Reply> {
        self.stream.get_mut().write_all(format!("{command}\r\n").as_bytes()).ok()?;
        self.stream.fill_buf().ok().filter(|bytes| !bytes.is_empty())?;
        Some(self.read())
    }

    fn read(&mut self) -> Reply {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).unwrap();
        let line = String::from_utf8_lossy(&line).into_owned();
        let line = line.strip_suffix("\r\n").unwrap_or_else(|| panic!("the end, after {line:?}"));
        let rest = line[1..].to_owned();
        let number = || rest.parse::<i64>().unwrap();
        match line.as_bytes()[0] {
            b'+' => Reply::Simple(rest),
            b'-' => Reply::Error(rest),
            b':' => Reply::Integer(number()),
            // Redis says -0 for a product of zero and a negative score, and 0 once it has kept that
            // in a small set; ours says 0. So it is here, and below for RESP2.
            b',' => Reply::Double(if rest == "-0" { "0".to_owned() } else { rest }),
            b'#' => Reply::Boolean(rest),
            b'_' => Reply::Null,
            b'$' if number() < 0 => Reply::Null,
            b'*' if number() < 0 => Reply::NullArray,
            b'$' => {
                let mut bytes = vec![0; number() as usize + 2];
                self.stream.read_exact(&mut bytes).unwrap();
                bytes.truncate(bytes.len() - 2);
                Reply::Bulk(if bytes == b"-0" { b"0".to_vec() } else { bytes })
            }
            marker @ (b'*' | b'~' | b'>') => {
                let elements = (0..number()).map(|_| self.read()).collect();
                Reply::Array(marker.into(), elements)
            }
            b'%' => Reply::Map((0..number()).map(|_| (self.read(), self.read())).collect()),
            _ => panic!("no reply: {line:?}"),
        }
    }
}
