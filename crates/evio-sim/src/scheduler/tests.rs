use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use evio_sys::Poller;
use evio_sys::sim::Options;

use super::*;

/// A loop that looks in vain so often before it sleeps.
struct Looks {
    left: Rc<Cell<usize>>,
    poller: Poller,
}

impl Process for Looks {
    fn turn(&mut self) -> io::Result<Progress> {
        self.left.set(self.left.get() - 1);
        // Whether the poller had something to report makes no difference.
        Ok(if self.left.get() % 2 == 0 { Progress::Idle } else { Progress::Worked })
    }

    fn timeout(&self) -> Option<Duration> {
        (self.left.get() > 0).then_some(Duration::ZERO)
    }

    fn poller(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

/// A loop looks so often in vain, and again a second later, for so many seconds.
fn look(often: usize, seconds: u64) {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let scheduler = Scheduler::new(kernel.clone());
    let left = Rc::new(Cell::new(0));
    let poller = Poller::new().unwrap();
    scheduler.add("loop 0".to_owned(), Box::new(Looks { left: Rc::clone(&left), poller }));
    for second in 1..=seconds {
        left.set(often);
        scheduler.settle();
        kernel.advance_to(Duration::from_secs(second));
    }
}

#[test]
fn a_loop_that_looks_in_vain_now_and_then_is_let_be() {
    look(100, 1);
    look(40, 1_000);
}

#[test]
#[should_panic(expected = "loop 0 looks in vain again and again")]
fn a_loop_that_looks_in_vain_again_and_again_is_found() {
    look(50, 20);
}

#[test]
#[should_panic(expected = "loop 0 looks in vain again and again")]
fn a_wait_makes_no_room_for_looks_in_vain_by_the_thousand() {
    let kernel = Kernel::new(1, Options::default()).unwrap();
    let _entered = kernel.enter();
    let scheduler = Scheduler::new(kernel.clone());
    kernel.advance_to(Duration::from_secs(3_600));
    let left = Rc::new(Cell::new(5_000));
    scheduler.add("loop 0".to_owned(), Box::new(Looks { left, poller: Poller::new().unwrap() }));
    scheduler.settle();
}
