//! Requests of every kind behind each other.

use std::rc::Rc;
use std::time::Duration;

use evio_sim::{Net, Result, for_each_seed};

use super::client::{Client, Response};
use super::serve;

/// A request, and what its reply is to be.
struct Asked {
    bytes: Vec<u8>,
    /// Where the body begins, if the client waits for the word to send it.
    waits_at: Option<usize>,
    head_only: bool,
    status: u16,
    /// The body of the reply, if it matters.
    body: Option<Rc<[u8]>>,
    closes: bool,
}

/// How a connection is to go on after a request.
#[derive(Clone, Copy, PartialEq)]
enum After {
    KeepAlive,
    Close,
}

impl Asked {
    fn draw(net: &Net, page: &Rc<[u8]>, after: After) -> Self {
        let kinds = ["GET", "GET", "HEAD", "POST", "POST", "OPTIONS", "DELETE", "PUT"];
        let method = kinds[net.random_below(kinds.len())];
        let target = match method {
            "POST" => "/echo".to_owned(),
            _ => format!("/{}?q", "p".repeat(net.random_below(50))),
        };
        let has_body = match method {
            "POST" | "PUT" => true,
            _ => net.random_below(8) == 0,
        };
        let is_old = net.random_below(8) == 0;
        let body = net.random_bytes(if has_body { net.random_below(6_000) } else { 0 });
        let mut head = "\r\n".repeat(net.random_below(10) / 8);
        head += &format!("{method} {target} HTTP/1.{}\r\n", u8::from(!is_old));
        head += "hOST: a\r\n";
        if net.random_below(3) == 0 {
            head += &format!("X-Noise:{}\r\n", " n".repeat(net.random_below(300)));
        }
        match (is_old, after) {
            (false, After::Close) => head += "Connection: close\r\n",
            (true, After::KeepAlive) => head += "Connection: keep-alive\r\n",
            _ => {}
        }
        // An answer that needs no body is the last one for who waits to send it.
        let waits = method == "POST" && !is_old && !body.is_empty() && net.random_below(4) == 0;
        if waits {
            head += "Expect: 100-continue\r\n";
        }
        let sent = if has_body && !is_old && net.random_below(2) == 0 {
            head += "Transfer-Encoding: chunked\r\n";
            chunked(net, &body)
        } else {
            if has_body {
                head += &format!("Content-Length: {}\r\n", body.len());
            }
            body.clone()
        };
        head += "\r\n";
        let (status, body) = match method {
            "GET" => (200, Some(Rc::clone(page))),
            "HEAD" => (200, None),
            "POST" => (200, Some(body.into())),
            "OPTIONS" => (204, None),
            _ => (405, None),
        };
        Self {
            waits_at: waits.then_some(head.len()),
            bytes: [head.into_bytes(), sent].concat(),
            head_only: method == "HEAD",
            status,
            body,
            closes: after == After::Close,
        }
    }

    fn check(&self, response: &Response, page: &[u8]) {
        assert_eq!(response.status, self.status, "{response:?}");
        assert_eq!(response.says_close(), self.closes, "{response:?}");
        if let Some(body) = &self.body {
            assert!(response.body[..] == body[..], "another body: {response:?}");
        }
        if self.head_only {
            assert_eq!(response.length(), page.len());
        }
    }
}

/// Cuts a body into chunks of any size, with what may stand beside them.
fn chunked(net: &Net, mut body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !body.is_empty() {
        let (chunk, rest) = body.split_at(body.len().min(1 + net.random_below(2_000)));
        let size = match net.random_below(3) {
            0 => format!("{:X}", chunk.len()),
            1 => format!("00{:x};name=value", chunk.len()),
            _ => format!("{:x}", chunk.len()),
        };
        bytes.extend(size.bytes());
        bytes.extend(b"\r\n");
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
        body = rest;
    }
    let trailer = ["", "X-Trailer: 1\r\n"][net.random_below(2)];
    bytes.extend(format!("0\r\n{trailer}\r\n").bytes());
    bytes
}

/// Sends requests together, and reads the replies.
async fn round(client: &mut Client, asked: &[Asked], page: &[u8]) -> Result {
    let sent = client.net.now();
    match asked {
        [Asked { waits_at: Some(at), bytes, .. }] => {
            client.send(&bytes[..*at]).await?;
            assert_eq!(client.read_head().await?.status, 100);
            client.send(&bytes[*at..]).await?;
        }
        _ => {
            let bytes: Vec<u8> = asked.iter().flat_map(|asked| asked.bytes.clone()).collect();
            client.send(&bytes).await?;
        }
    }
    for asked in asked {
        if client.net.random_below(8) == 0 {
            client.rest(Duration::from_secs(1)).await;
        }
        let response = client.read(asked.head_only, sent).await?;
        asked.check(&response, page);
    }
    Ok(())
}

async fn talk(net: Rc<Net>, page: Rc<[u8]>) -> Result {
    let mut client = Client::connect(&net).await?;
    for _ in 0..net.random_below(6) {
        let count = 1 + net.random_below([1, 10][net.random_below(2)]);
        let asked: Vec<_> =
            (0..count).map(|_| Asked::draw(&net, &page, After::KeepAlive)).collect();
        round(&mut client, &asked, &page).await?;
        if net.random_below(4) == 0 {
            client.rest(Duration::from_secs(50)).await;
        }
    }
    match net.random_below(4) {
        // The connection is simply closed.
        0 => return Ok(()),
        1 => round(&mut client, &[Asked::draw(&net, &page, After::Close)], &page).await?,
        2 => {
            let last = Asked::draw(&net, &page, After::KeepAlive);
            let sent = net.now();
            client.send(&last.bytes).await?;
            client.conn.shutdown_write()?;
            let response = client.read(last.head_only, sent).await?;
            assert_eq!(response.status, last.status);
        }
        _ => {
            let sent = net.now();
            let junk = net.random_bytes(net.random_below(2_000));
            client.send(&[b"GET no target", &b"\r\n\r\n"[..], &junk].concat()).await?;
            let response = client.read(false, sent).await?;
            assert_eq!((response.status, response.says_close()), (400, true));
        }
    }
    Ok(client.expect_end().await?)
}

#[test]
fn every_request_has_its_reply_whatever_goes_wrong() {
    for_each_seed(300, |sim| {
        let page = b"0123456789abcdef".repeat(sim.kernel().random_below(1_000));
        serve(sim, page.clone())?;
        let page: Rc<[u8]> = page.into();
        for _ in 0..1 + sim.kernel().random_below(5) {
            let page = Rc::clone(&page);
            sim.client(|net| talk(net, page));
        }
        Ok(())
    });
}
