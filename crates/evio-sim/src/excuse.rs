//! Which errors of a client are nobody's fault.

use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::iter;
use std::rc::Rc;

/// The kinds of errors of which the last that a call of a client has failed with came because its
/// connection was cut by chance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Excuse(Rc<RefCell<Vec<io::ErrorKind>>>);

impl Excuse {
    /// Notes an error of a call, and whether its connection was cut by chance: if it was not, what
    /// happened to another one before is no excuse for it.
    pub(crate) fn note(&self, error: &io::Error, was_cut: bool) {
        let mut kinds = self.0.borrow_mut();
        kinds.retain(|&kind| kind != error.kind());
        if was_cut {
            kinds.push(error.kind());
        }
    }

    /// Returns whether an error is of such a kind, or was caused by one that is.
    pub(crate) fn covers(&self, error: &(dyn Error + 'static)) -> bool {
        let causes = iter::successors(Some(error), |&error| error.source());
        let mut errors = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
        errors.any(|error| self.0.borrow().contains(&error.kind()))
    }
}
