//! The pieces of URI and field grammar that decide whether a request is well formed.

use std::net::Ipv6Addr;

use memchr::memchr;

/// A byte of a token, RFC 9110, section 5.6.2.
const TOKEN: u8 = 1;
/// A byte of a registered name, RFC 3986, section 3.2.2, that stands for itself.
const NAME: u8 = 2;
/// A byte that browsers leave in a path and a query as it is: those of RFC 3986, sections 3.3 and
/// 3.4, and what the URL standard of WHATWG does not percent-encode in both or one of them: `[`,
/// `]`, `^`, `|`, a backquote, braces, and a `%` that begins no escape. It encodes controls, the
/// blank, `"`, `#`, `<`, `>` and all bytes above 0x7e, so no browser sends these.
const TARGET: u8 = 4;
/// A byte of a query besides: browsers turn a backslash in a path into a slash, and only there.
const QUERY: u8 = 8;
/// A byte of an IPvFuture, RFC 3986, section 3.2.2.
const FUTURE: u8 = 16;

/// What each byte may be part of.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0u8;
    while byte < 0x80 {
        classes[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => TOKEN | NAME | TARGET | QUERY | FUTURE,
            b'-' | b'.' | b'_' | b'~' => TOKEN | NAME | TARGET | QUERY | FUTURE,
            b'!' | b'$' | b'&' | b'\'' | b'*' | b'+' => TOKEN | NAME | TARGET | QUERY | FUTURE,
            b'(' | b')' | b',' | b';' | b'=' => NAME | TARGET | QUERY | FUTURE,
            b':' => TARGET | QUERY | FUTURE,
            b'%' | b'^' | b'`' | b'|' => TOKEN | TARGET | QUERY,
            b'/' | b'?' | b'@' | b'[' | b']' | b'{' | b'}' => TARGET | QUERY,
            b'\\' => QUERY,
            b'#' => TOKEN,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// Returns how many bytes at the start of `bytes` are of `class`.
fn len_of(class: u8, bytes: &[u8]) -> usize {
    let end = bytes.iter().position(|&byte| CLASSES[usize::from(byte)] & class == 0);
    end.unwrap_or(bytes.len())
}

/// Returns how many bytes at the start of `bytes` are of `class`, or written as `%` and two
/// hexadecimal digits.
fn encoded_len_of(class: u8, bytes: &[u8]) -> usize {
    let mut len = 0;
    loop {
        len += len_of(class, &bytes[len..]);
        match bytes[len..] {
            [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                len += 3;
            }
            _ => return len,
        }
    }
}

/// Tells whether `bytes` is a token.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && token_len(bytes) == bytes.len()
}

/// Returns how many bytes at the start of `bytes` can be part of a token.
pub(super) fn token_len(bytes: &[u8]) -> usize {
    len_of(TOKEN, bytes)
}

/// Tells whether `target` is a request target that `method` may have, RFC 9112, section 3.2: the
/// authority form for CONNECT and nothing else, the asterisk form for OPTIONS, and for all other
/// methods the origin form or the absolute form.
pub(super) fn is_target(method: &str, target: &str) -> bool {
    match target.as_bytes() {
        authority if method == "CONNECT" => is_tunnel(authority),
        path @ [b'/', ..] => is_path_and_query(path),
        b"*" => method == "OPTIONS",
        uri => is_absolute_uri(uri),
    }
}

/// Tells whether `uri` is `http://authority/path?query`, with nothing required after the authority.
///
/// It names its user in none of the ways that RFC 3986 has: RFC 9110, section 4.2.4, asks for that
/// to be treated as an error.
fn is_absolute_uri(uri: &[u8]) -> bool {
    let Some(colon) = memchr(b':', uri) else { return false };
    let (scheme, rest) = uri.split_at(colon);
    let Some(rest) = rest.strip_prefix(b"://") else { return false };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    (scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https"))
        && is_authority(&rest[..end])
        && is_path_and_query(&rest[end..])
}

/// Tells whether `bytes` is where a tunnel is to lead: a host, and a port that is not empty and
/// not invalid, RFC 9110, section 9.3.6.
fn is_tunnel(bytes: &[u8]) -> bool {
    let port = bytes.rsplit(|&byte| byte == b':').next();
    let port = port.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u16>().ok());
    is_authority(bytes) && port.is_some_and(|port| port > 0)
}

fn is_path_and_query(bytes: &[u8]) -> bool {
    let len = len_of(TARGET, bytes);
    len == bytes.len()
        || memchr(b'?', &bytes[..len]).is_some_and(|_| len_of(QUERY, bytes) == bytes.len())
}

/// Tells whether `bytes` is a host with an optional port, as in an `http` URI.
///
/// An empty host is refused, with a port and without, RFC 9110, section 4.2.1.
pub(super) fn is_authority(bytes: &[u8]) -> bool {
    let (host_is_valid, port) = match bytes.strip_prefix(b"[") {
        Some(literal) => {
            let Some(end) = memchr(b']', literal) else { return false };
            (is_ip_literal(&literal[..end]), &literal[end + 1..])
        }
        None => {
            let (host, port) = bytes.split_at(encoded_len_of(NAME, bytes));
            (!host.is_empty(), port)
        }
    };
    let port_is_valid = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    host_is_valid && port_is_valid
}

/// Tells whether `bytes` may stand between brackets, RFC 3986, section 3.2.2. It has no zone: one
/// means something on its own machine only.
fn is_ip_literal(bytes: &[u8]) -> bool {
    match bytes {
        [b'v' | b'V', future @ ..] => {
            let Some(dot) = memchr(b'.', future) else { return false };
            let (version, address) = (&future[..dot], &future[dot + 1..]);
            !version.is_empty()
                && version.iter().all(u8::is_ascii_hexdigit)
                && !address.is_empty()
                && len_of(FUTURE, address) == address.len()
        }
        _ => std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok()),
    }
}
