//! Chunked bodies that must be refused.

use super::driver::{Case, Reply, case, check, chunked};

fn bad(body: impl AsRef<[u8]>) -> Case {
    case(chunked(body), &[Reply::BAD_REQUEST])
}

#[test]
fn sizes() {
    let sizes = [
        "+5",
        "-1",
        "0x5",
        "5_",
        " 5",
        "\t5",
        "5 ",
        "5\t",
        "",
        "g",
        "5h",
        "5,",
        "fffffffffffffffff",
        "8000000000000000",
        "00008000000000000000",
        "10000000000000000",
        "ffffffffffffffff",
        "5\0",
        "5\x7f",
        "\u{ff15}",
    ];
    check(sizes.map(|size| bad(format!("{size}\r\nhello\r\n0\r\n\r\n"))));
}

#[test]
fn line_breaks() {
    check([
        bad("5\nhello\r\n0\r\n\r\n"),
        bad("5\rhello\r\n0\r\n\r\n"),
        bad("5\r\rhello\r\n0\r\n\r\n"),
        bad("5\r\nhello0\r\n\r\n"),
        bad("5\r\nhello\n0\r\n\r\n"),
        bad("5\r\nhello\r0\r\n\r\n"),
        bad("5\r\nhell\r\n0\r\n\r\n"),
        bad("5\r\nhello!\r\n0\r\n\r\n"),
        bad("0\n\r\n"),
        bad("0\r\n\n"),
        bad("0\r\nX: y\n\r\n"),
        bad("\r\n0\r\n\r\n"),
    ]);
}

#[test]
fn extensions() {
    let extensions = [
        " erfr",
        ";",
        ";;a",
        ";a;",
        "; ",
        ";=b",
        ";a=",
        ";a=b=c",
        ";a b",
        ";a=b c",
        ";a=\"b",
        ";a=\"b\\\"",
        ";a=\"b\"c",
        ";a=\"\\",
        ";\"a\"",
        ";a=[b]",
        ";a ",
        ";a=b ",
        ";a= ",
        ";a b=c",
        ";a=\x01",
        ",a",
    ];
    check(extensions.map(|extension| bad(format!("2{extension}\r\nhi\r\n0\r\n\r\n"))));
}

#[test]
fn trailers() {
    let trailers = [
        "Content-Length: 5",
        "content-length: 0",
        "Host: a",
        "TRANSFER-ENCODING: chunked",
        "X[]: y",
        ": v",
        "X",
        "X : y",
        "X: a\r\n b",
        " X: y",
        "X: \0",
        "X: a\rb",
    ];
    check(trailers.map(|trailer| bad(format!("0\r\n{trailer}\r\n\r\n"))));
    check([bad("0\r\nX: y\r\nHost: a\r\nZ: z\r\n\r\n")]);
}
