//! Where a server listens, in the words in which it says so.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Written `tcp://127.0.0.1:5000`.
    Tcp(SocketAddr),
    /// Written `udp://127.0.0.1:5000`.
    Udp(SocketAddr),
    /// Written `unix:///run/echo.sock`.
    Unix(PathBuf),
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, place) = text.split_once("://").ok_or("no '://' after the scheme")?;
        let address = || place.parse().map_err(|error| format!("{place:?}: {error}"));
        match scheme {
            "tcp" => address().map(Self::Tcp),
            "udp" => address().map(Self::Udp),
            "unix" if place.is_empty() => Err("no path".to_owned()),
            "unix" => Ok(Self::Unix(PathBuf::from(place))),
            _ => Err(format!("neither tcp nor udp nor unix: {scheme:?}")),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(formatter, "tcp://{address}"),
            Self::Udp(address) => write!(formatter, "udp://{address}"),
            Self::Unix(path) => write!(formatter, "unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_as_they_are_written() {
        for text in ["tcp://127.0.0.1:5000", "tcp://[::1]:5000", "udp://127.0.0.1:1", "unix:///a b"]
        {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for bad in ["", "127.0.0.1:5000", "tcp://localhost:5000", "tcp:///a", "unix://", "ftp://a"]
        {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad:?}");
        }
    }
}
