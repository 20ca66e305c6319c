//! A sender that gives up what was lost.

use super::*;

const TIMEOUT: Duration = Duration::from_secs(2);

#[test]
fn what_is_on_its_way_behind_what_was_given_up_is_lost_with_it() {
    let options = Options { latency: Duration::from_millis(10), ..Options::default() };
    let kernel = Kernel::new(1, options).unwrap();
    let _entered = kernel.enter();
    let (client, server, _listener) = pair(&kernel);
    server.set_user_timeout(Some(TIMEOUT)).unwrap();
    let host = client.local_addr().unwrap().as_inet().unwrap().ip();
    kernel.set_cut_off(host, true);
    let begun = kernel.now();
    server.send(b"lost").unwrap();
    // So late that the next attempt would come after the sender has given up.
    kernel.advance_to(begun + Duration::from_millis(1_500));
    kernel.set_cut_off(host, false);
    kernel.advance_to(begun + TIMEOUT);
    server.send(b"behind it").unwrap();
    settle(&kernel);
    let error = server.take_error().unwrap().expect("it has given up");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let received = client.recv(&mut [0; 16]);
    assert_eq!(received.unwrap_err().kind(), io::ErrorKind::WouldBlock);
}
