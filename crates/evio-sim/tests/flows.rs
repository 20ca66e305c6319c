//! Bytes in both directions: floods, limits, and how connections end.

mod util;

use std::rc::Rc;
use std::time::Duration;

use evio::{Action, CloseReason, Conn, Limits, PauseReason};
use evio_sim::{Result, Simulation, for_each_seed};

use util::{ADDRESS, On, Probe, Shared, cut_nothing, server};

const SEEDS: u64 = 200;

/// How soon something has to follow that nobody puts off.
const SOON: Duration = Duration::from_secs(1);

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 31 % 251) as u8).collect()
}

/// Draws buffers of up to 4 MiB, of which a turn does not take all.
fn draw_large_buffers(sim: &mut Simulation) {
    let draw = || 1_024 << sim.kernel().random_below(13);
    let (send, recv) = (draw(), draw());
    sim.set_buffers(send, recv);
}

/// Draws a length near a multiple of what the loop reads, sends or copies at once.
fn draw_len(random_below: impl Fn(usize) -> usize, most: usize) -> usize {
    let unit = [4 << 10, 16 << 10, 64 << 10][random_below(3)];
    (unit * random_below(1 + most / unit) + random_below(3)).saturating_sub(1)
}

/// Answers a length in eight bytes and so many bytes behind it with the bytes.
struct Flood {
    wanted: Vec<u8>,
    input: Vec<u8>,
}

impl Flood {
    fn new() -> Self {
        Self { wanted: Vec::new(), input: Vec::new() }
    }

    fn take(&mut self, conn: &mut Conn<'_>, mut input: &[u8], chunk: usize) {
        if self.wanted.len() < 8 {
            let head = input.len().min(8 - self.wanted.len());
            self.wanted.extend(&input[..head]);
            input = &input[head..];
        }
        self.input.extend(input);
        let Ok(wanted) = <[u8; 8]>::try_from(&self.wanted[..]) else { return };
        if self.input.len() == usize::from_le_bytes(wanted) {
            self.input.chunks(chunk).for_each(|chunk| conn.write_owned(chunk.to_vec()));
            *self = Self::new();
        }
    }
}

#[test]
fn floods_are_read_and_sent_whole() {
    for_each_seed(SEEDS / 2, |sim| {
        cut_nothing(sim);
        draw_large_buffers(sim);
        let chunk = [1_000, 4 << 10, 64 << 10, 256 << 10][sim.kernel().random_below(4)];
        let pause = Duration::from_millis(sim.kernel().random_below(30) as u64);
        let mut flood = Flood::new();
        let act = move |conn: &mut Conn<'_>, callback: On<'_>| {
            match callback {
                // The input gathers meanwhile.
                On::Opened => conn.pause_reading_until(PauseReason::new(2), conn.now() + pause),
                On::Data(input) => flood.take(conn, input, chunk),
                _ => {}
            }
            Action::None
        };
        sim.serve(server(Limits::default())?, Probe::new(act, |_, _| ()))?;
        sim.client(|net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            for _ in 0..2 {
                // A turn sends 1 MiB of a few connections at the most.
                let most = if net.random_below(4) == 0 { 3 << 20 } else { 256 << 10 };
                let message = bytes(1 + draw_len(|bound| net.random_below(bound), most));
                conn.write_all(&message.len().to_le_bytes()).await?;
                conn.write_all(&message).await?;
                assert!(conn.read_exact(message.len()).await? == message);
            }
            Ok(())
        });
        Ok(())
    });
}

#[test]
fn what_is_sent_at_once_is_followed_by_the_rest() {
    for_each_seed(SEEDS, |sim| {
        let [head, now, tail] = [(); 3].map(|()| sim.kernel().random_below(50_000));
        let act = move |conn: &mut Conn<'_>, callback: On<'_>| match callback {
            On::Data(_) => {
                if head % 2 == 0 {
                    conn.write(&bytes(head));
                }
                conn.write_now(&bytes(now));
                conn.write(&bytes(tail));
                Action::Close
            }
            _ => Action::None,
        };
        sim.serve(server(Limits::default())?, Probe::new(act, |_, _| ()))?;
        sim.client(move |net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            conn.write_all(b"x").await?;
            let first = if head % 2 == 0 { bytes(head) } else { Vec::new() };
            let expected = [first, bytes(now), bytes(tail)].concat();
            assert!(conn.read_to_end().await? == expected);
            Ok(())
        });
        Ok(())
    });
}

/// Everyone writes to all others more than they may have waiting, so that their input of the same
/// turn is left alone until it is sent.
#[test]
fn input_that_was_left_alone_for_a_turn_is_read() {
    const PIECE: usize = 200;
    for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        let clients = 2 + sim.kernel().random_below(4);
        let mut conns = Vec::new();
        let act = move |conn: &mut Conn<'_>, callback: On<'_>| {
            match callback {
                On::Opened => conns.push(conn.id()),
                On::Data(input) => {
                    let own = conn.id();
                    for &other in conns.iter().filter(|&&other| other != own) {
                        if let Some(mut other) = conn.sibling(other) {
                            other.write(&bytes(PIECE * input.len()));
                        }
                    }
                }
                On::PeerClosed => return Action::Close,
                _ => {}
            }
            Action::None
        };
        let limits = Limits::default().high_watermark(PIECE - 1).low_watermark(0);
        sim.serve(server(limits)?, Probe::new(act, |_, _| ()))?;
        for _ in 0..clients {
            sim.client(move |net| async move {
                let mut conn = net.connect(ADDRESS).await?;
                // All have come by then.
                net.sleep(SOON - net.now()).await;
                for _ in 0..5 {
                    conn.write_all(b"x").await?;
                    conn.read_exact(PIECE * (clients - 1)).await?;
                }
                Ok(())
            });
        }
        Ok(())
    });
}

/// The peer writes on, and reads late: a close with unread input would reset the connection.
#[test]
fn a_last_reply_arrives_though_the_peer_writes_on() {
    for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        let len = sim.kernel().random_below(300_000);
        let act = move |conn: &mut Conn<'_>, callback: On<'_>| match callback {
            On::Data(_) => {
                conn.write_owned(bytes(len));
                Action::Close
            }
            _ => Action::None,
        };
        sim.serve(server(Limits::default())?, Probe::new(act, |_, _| ()))?;
        sim.client(move |net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            for _ in 0..1 + net.random_below(5) {
                conn.write_all(&bytes(1 + net.random_below(20_000))).await?;
                net.sleep(Duration::from_millis(net.random_below(20) as u64)).await;
            }
            net.sleep(Duration::from_millis(net.random_below(500) as u64)).await;
            assert!(conn.read_to_end().await? == bytes(len));
            Ok(())
        });
        Ok(())
    });
}

#[test]
fn a_peer_that_writes_on_without_end_is_stopped() {
    for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        let limits = Limits::default().max_discarded(10_000).close_timeout(3_600 * SOON);
        let act = |_: &mut Conn<'_>, callback: On<'_>| match callback {
            On::Data(_) => Action::Close,
            _ => Action::None,
        };
        sim.serve(server(limits)?, Probe::new(act, |_, _| ()))?;
        sim.client(|net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            let mut written = 0;
            while conn.write_all(&[0; 1_000]).await.is_ok() {
                written += 1_000;
                assert!(written < 1_000_000, "it is read from without end");
                net.sleep(Duration::from_millis(1)).await;
            }
            Ok(())
        });
        Ok(())
    });
}

#[test]
fn output_that_nobody_reads_has_a_limit() {
    for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        let most = 1_000 + sim.kernel().random_below(100_000);
        let limits = Limits::default().max_output(most);
        let act = move |conn: &mut Conn<'_>, _: On<'_>| {
            conn.write(&[0; 10_000]);
            let len = conn.output_len();
            assert!(len <= most || !conn.takes_output(), "{len} bytes wait, {most} may");
            conn.set_timer(Some(Duration::from_millis(1)));
            Action::None
        };
        let ended = Shared::<bool>::default();
        let has_ended = Rc::clone(&ended);
        let end = move |_: &mut Conn<'_>, reason: CloseReason| {
            assert!(matches!(reason, CloseReason::OutputLimit), "{reason:?}");
            ended.set(true);
        };
        sim.serve(server(limits)?, Probe::new(act, end))?;
        sim.client(move |net| async move {
            // The reset may come before the client has noticed that it is connected.
            let _conn = net.connect(ADDRESS).await;
            net.sleep(60 * SOON).await;
            assert!(has_ended.get(), "nothing limits the output");
            Ok(())
        });
        Ok(())
    });
}

/// Our end is sent behind the output; input goes on until the peer's.
#[test]
fn each_side_ends_its_output_in_its_own_time() {
    for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        let (len, later) = (sim.kernel().random_below(100_000), sim.kernel().random_below(5_000));
        let mut read = 0;
        let act = move |conn: &mut Conn<'_>, callback: On<'_>| {
            match callback {
                On::Data(input) => {
                    read += input.len();
                    if conn.takes_output() {
                        conn.write_owned(bytes(len));
                        conn.shutdown_write();
                        assert!(!conn.takes_output());
                    }
                }
                On::PeerClosed => assert_eq!(read, 1 + later, "input was lost"),
                _ => {}
            }
            Action::None
        };
        let ended = Shared::<bool>::default();
        let has_ended = Rc::clone(&ended);
        let end = move |_: &mut Conn<'_>, reason: CloseReason| {
            assert!(matches!(reason, CloseReason::PeerClosed), "{reason:?}");
            ended.set(true);
        };
        sim.serve(server(Limits::default())?, Probe::new(act, end))?;
        sim.client(move |net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            conn.write_all(b"x").await?;
            assert!(conn.read_to_end().await? == bytes(len));
            net.sleep(Duration::from_millis(net.random_below(100) as u64)).await;
            assert!(!has_ended.get(), "the peer has not ended its output");
            conn.write_all(&bytes(later)).await?;
            conn.shutdown_write()?;
            net.sleep(SOON).await;
            assert!(has_ended.get(), "both sides have ended, and the connection has not");
            Ok(())
        });
        Ok(())
    });
}

#[test]
fn a_reset_is_noticed_whatever_the_connection_waits_for() {
    for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        let (is_paused, has_output) =
            (sim.kernel().random_below(2) == 0, sim.kernel().random_below(2) == 0);
        let act = move |conn: &mut Conn<'_>, callback: On<'_>| {
            if callback == On::Opened {
                if is_paused {
                    conn.pause_reading();
                }
                if has_output {
                    conn.write(&bytes(300_000));
                }
            }
            Action::None
        };
        let ended = Shared::<bool>::default();
        let has_ended = Rc::clone(&ended);
        let end = move |_: &mut Conn<'_>, reason: CloseReason| {
            assert!(matches!(reason, CloseReason::Error(_)), "{reason:?}");
            ended.set(true);
        };
        sim.serve(server(Limits::default())?, Probe::new(act, end))?;
        sim.client(move |net| async move {
            let conn = net.connect(ADDRESS).await?;
            net.sleep(Duration::from_millis(net.random_below(100) as u64)).await;
            conn.reset();
            net.sleep(SOON).await;
            assert!(has_ended.get(), "the peer has gone, and nobody has noticed");
            Ok(())
        });
        Ok(())
    });
}

/// One reason after the other stops the input; it goes on when the last is taken back.
#[test]
fn input_waits_for_every_reason() {
    for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        let kernel = sim.kernel().clone();
        let reasons = [1, 2, 3].map(PauseReason::new);
        let mut paused = [false; 3];
        let act = move |conn: &mut Conn<'_>, callback: On<'_>| {
            if callback == On::PeerClosed {
                return Action::Close;
            }
            if let On::Data(input) = callback {
                assert_eq!(paused, [false; 3], "there is a reason not to read");
                conn.write(input);
            }
            for (&reason, is_paused) in reasons.iter().zip(&mut paused) {
                match kernel.random_below(3) {
                    0 => {
                        conn.pause_reading_for(reason);
                        *is_paused = true;
                    }
                    1 => {
                        conn.resume_reading_for(reason);
                        *is_paused = false;
                    }
                    _ => {}
                }
                assert_eq!(conn.is_paused_for(reason), *is_paused);
            }
            conn.set_timer(Some(Duration::from_millis(1)));
            Action::None
        };
        sim.serve(server(Limits::default())?, Probe::new(act, |_, _| ()))?;
        sim.client(|net| async move {
            let mut conn = net.connect(ADDRESS).await?;
            for _ in 0..5 {
                let message = net.random_bytes(1 + net.random_below(3_000));
                conn.write_all(&message).await?;
                assert_eq!(conn.read_exact(message.len()).await?, message);
            }
            Ok(()) as Result
        });
        Ok(())
    });
}
