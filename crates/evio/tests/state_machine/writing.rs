//! Writing to a connection on its loop's thread, in all the forms there are.

use std::io::Write;

use evio::Conn;

use super::dice::Dice;
use super::frame::{Frame, HEADER, LOOP, NEVER, Written};
use super::link::Link;
use super::world::World;

/// More than this is not left to wait for one peer, so that many of them fit into memory.
const ENOUGH: usize = 8 << 20;

/// How a piece is written.
#[derive(Clone, Copy, Debug)]
enum Form {
    Copied,
    ByTrait,
    Owned,
    Shared,
    Now,
}

const FORMS: [(usize, Form); 5] =
    [(5, Form::Copied), (1, Form::ByTrait), (2, Form::Owned), (2, Form::Shared), (2, Form::Now)];

/// Writes one frame, or what must never arrive if the connection takes no output.
pub(crate) fn write_frame(world: &World, conn: &mut Conn<'_>, link: &Link, dice: &mut Dice) {
    let mut len = dice.len();
    if conn.output_len() > ENOUGH {
        len = len.min(100);
    }
    let takes = conn.takes_output();
    check_takes(world, conn, link, takes);
    let mut server = link.server.lock();
    let sequence = if takes { server.frames } else { NEVER };
    if takes {
        // Before it is written: what is sent at once may arrive at once.
        server.frames += 1;
        server.written += (len + HEADER) as u64;
    }
    drop(server);
    let (pieces, is_now) = plan_pieces(HEADER + len, dice);
    let written = world.written_on(conn.id().loop_id());
    let mut frame = Frame { number: link.number, writer: LOOP, sequence, len: len as u32, written };
    if is_now {
        frame.written = Written::AT_ANY_TIME;
    }
    if takes {
        let mut server = link.server.lock();
        let last = match is_now {
            true => &mut server.last_written_now,
            false => &mut server.last_written,
        };
        *last = Some(written);
    }
    world.note_of(link, format!("writes frame {sequence} of {len} bytes: {pieces:?}"));
    world.census.count("write");
    write_pieces(world, conn, &frame, &pieces);
    if takes {
        check_output(world, conn, link);
    }
}

/// Cuts a frame into pieces, and says whether it need not wait for `pre_write`.
fn plan_pieces(mut rest: usize, dice: &mut Dice) -> (Vec<(Form, usize)>, bool) {
    let mut pieces = Vec::new();
    let mut is_now = false;
    while rest > 0 {
        let is_whole = pieces.len() == 3 || dice.percent(60);
        let len = match dice.below(4) {
            _ if is_whole => rest,
            0 => 1,
            _ => dice.up_to(rest),
        };
        let form = dice.weigh(&FORMS);
        is_now |= matches!(form, Form::Now);
        pieces.push((form, len));
        rest -= len;
    }
    (pieces, is_now)
}

fn write_pieces(world: &World, conn: &mut Conn<'_>, frame: &Frame, pieces: &[(Form, usize)]) {
    let header = frame.header(world.seed);
    let body = frame.body(world.seed);
    let bytes = frame.bytes(world.seed);
    let mut at = 0;
    for &(form, len) in pieces {
        let piece = &bytes[at..at + len];
        match form {
            // The bytes of a body live as long as the program.
            Form::Shared if at >= header.len() && len % 2 == 0 => {
                conn.write_static(&body[at - header.len()..][..len]);
            }
            Form::Copied => conn.write(piece),
            Form::ByTrait => {
                Write::write_all(conn, piece).expect("writing to a connection never fails");
            }
            Form::Owned => conn.write_owned(piece.to_vec()),
            Form::Shared => conn.write_shared(piece.into()),
            Form::Now => conn.write_now(piece),
        }
        at += len;
    }
}

/// Writes no byte, in one of the forms.
pub(crate) fn write_nothing(conn: &mut Conn<'_>, dice: &mut Dice) {
    match dice.weigh(&FORMS) {
        Form::Copied => conn.write(b""),
        Form::ByTrait => Write::flush(conn).expect("flushing a connection never fails"),
        Form::Owned => conn.write_owned(Vec::new()),
        Form::Shared => conn.write_shared([].into()),
        Form::Now => conn.write_now(b""),
    }
}

/// Checks that output is taken when it should be.
fn check_takes(world: &World, conn: &Conn<'_>, link: &Link, takes: bool) {
    let server = link.server.lock();
    let expected = server.takes_output();
    let is_sure = !server.may_have_ended(&link.peer.lock(), link.kind, world);
    drop(server);
    if takes && !expected {
        world.fault(Some(link), "output is taken after its end");
    } else if expected && !takes && is_sure {
        world.fault(Some(link), &format!("output is not taken: {conn:?}"));
    }
}

/// Checks what the library says of the output after something was written.
pub(crate) fn check_output(world: &World, conn: &Conn<'_>, link: &Link) {
    let (len, is_congested) = (conn.output_len(), conn.is_congested());
    let mut server = link.server.lock();
    server.is_congested |= is_congested;
    let limits = server.limits;
    drop(server);
    if !conn.takes_output() {
        return;
    }
    if len > limits.max_output {
        let what = format!("{len} bytes wait, more than max_output, and it goes on");
        world.fault(Some(link), &what);
    }
    if len > limits.high_watermark && !is_congested {
        world.fault(Some(link), &format!("{len} bytes wait, and it is not congested"));
    }
}
