//! What the types promise to the compiler.

use std::fmt::Debug;
use std::marker::PhantomData;

use evio::{
    Action, Address, BoundAddress, CloseReason, Conn, ConnHandle, ConnId, Detached, Error, Events,
    FrameTooLong, InputStream, Keepalive, LengthPrefix, Limits, LoadBalance, Loop, LoopHandle,
    Loops, PanicPolicy, SendError, Server, ServerHandle, Serving, SocketAddr, Timeout, Udp,
};

fn is_handle<T: Send + Sync + Clone + Debug + Unpin + 'static>() {}

/// Only these are made to be shared between threads.
#[test]
fn handles_are_for_every_thread() {
    is_handle::<ConnHandle>();
    is_handle::<LoopHandle>();
    is_handle::<ServerHandle>();
}

/// Tells at run time whether a type is `Send`: the constant of the type itself, which is there only
/// if it is, hides that of the trait.
struct Probe<T>(PhantomData<T>);

impl<T: Send> Probe<T> {
    const IS_SEND: bool = true;
}

trait Otherwise {
    const IS_SEND: bool = false;
}

impl<T> Otherwise for Probe<T> {}

/// A connection is touched by its loop's thread only. That it cannot outlive its callback is not
/// enough: a scoped thread could still use it meanwhile. Closures may borrow and need not be
/// `Send`, so neither is what is made of them.
#[test]
fn what_belongs_to_a_loop_stays_on_its_thread() {
    let cases = [
        ("a vector", Probe::<Vec<u8>>::IS_SEND, true),
        ("a reference count", Probe::<std::rc::Rc<u8>>::IS_SEND, false),
        ("Conn", Probe::<Conn<'static>>::IS_SEND, false),
        ("Loop", Probe::<Loop<'static>>::IS_SEND, false),
        ("Udp", Probe::<Udp<'static>>::IS_SEND, false),
        ("Watched", Probe::<evio::Watched<'static>>::IS_SEND, false),
        ("Events", Probe::<Events<'static>>::IS_SEND, false),
    ];
    let wrong: Vec<&str> = cases
        .into_iter()
        .filter_map(|(name, is_send, expected)| (is_send != expected).then_some(name))
        .collect();
    assert!(wrong.is_empty(), "is wrong about being Send: {wrong:?}");
}

#[test]
fn plain_values_go_anywhere() {
    fn is_plain<T: Send + Sync + Debug + 'static>() {}
    is_plain::<Action>();
    is_plain::<Address>();
    is_plain::<BoundAddress>();
    is_plain::<CloseReason>();
    is_plain::<ConnId>();
    is_plain::<Detached>();
    is_plain::<Error>();
    is_plain::<InputStream>();
    is_plain::<FrameTooLong>();
    is_plain::<LengthPrefix>();
    is_plain::<Keepalive>();
    is_plain::<Limits>();
    is_plain::<LoadBalance>();
    is_plain::<Loops>();
    is_plain::<PanicPolicy>();
    is_plain::<SendError>();
    is_plain::<Server>();
    is_plain::<Serving>();
    is_plain::<SocketAddr>();
    is_plain::<Timeout>();
}

#[test]
fn errors_are_errors() {
    fn is_error<T: std::error::Error + Send + Sync + 'static>() {}
    is_error::<Error>();
    is_error::<SendError>();
    is_error::<evio::ParseAddressError>();
    is_error::<evio::InputTooLong>();
}

/// An id is a name: it can be compared, hashed, ordered and shown.
#[test]
fn ids_are_names() {
    fn is_name<T: Copy + Eq + Ord + std::hash::Hash + std::fmt::Display>() {}
    is_name::<ConnId>();
}

/// They have no name, and say at least what they are.
#[test]
fn servers_and_their_callbacks_can_be_shown() {
    let server = Server::bind(["tcp://127.0.0.1:0"]).unwrap();
    assert_eq!(format!("{:?}", server.handle()), "ServerHandle { .. }");
    let events: Events<'_> = Events::new();
    assert_eq!(format!("{events:?}"), "Events { .. }");
}
