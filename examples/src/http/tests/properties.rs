//! Arbitrary input, cut in arbitrary places.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::driver::session;

/// Pieces that get further into the parser than random bytes do.
const PIECES: [&str; 28] = [
    "GET / HTTP/1.1\r\n",
    "POST /a?b HTTP/1.1\r\n",
    "HEAD / HTTP/1.0\r\n",
    "OPTIONS * HTTP/1.1\r\n",
    "Host: a\r\n",
    "Host: [::1]:80\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Expect: 100-continue\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "X: y\r\n",
    "\r\n",
    "\r\n\r\n",
    "hello",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "1;a=\"b\"\r\nx\r\n",
    "3e8\r\n",
    "0\r\nX: y\r\n\r\n",
    "\r",
    "\n",
    " ",
    ":",
    "%",
    ";",
    "\"",
];

fn input() -> impl Strategy<Value = Vec<u8>> {
    let piece = select(&PIECES[..]).prop_map(|piece| piece.as_bytes().to_vec());
    let request =
        Just(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec());
    let noise = vec(any::<u8>(), 0..4);
    vec(prop_oneof![8 => piece, 1 => request, 1 => noise], 0..24).prop_map(|pieces| pieces.concat())
}

/// Cuts `bytes` at places given as fractions of its length.
fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.push(bytes.len());
    places.sort_unstable();
    let mut start = 0;
    let piece = |end| &bytes[std::mem::replace(&mut start, end)..end];
    places.into_iter().map(piece).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn cutting_makes_no_difference(
        bytes in input(),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let whole = session([&bytes[..]], usize::MAX);
        let pieces = session(cut(&bytes, &cuts), usize::MAX);
        let blocked = session([&bytes[..]], 1);
        prop_assert!(whole == pieces);
        prop_assert!(whole == blocked);
    }

    #[test]
    fn noise_is_survived(bytes in vec(any::<u8>(), 0..500), size in 1..100usize) {
        let whole = session([&bytes[..]], usize::MAX);
        prop_assert!(whole == session(bytes.chunks(size), usize::MAX));
    }
}
