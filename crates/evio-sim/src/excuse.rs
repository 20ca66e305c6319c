//! Which errors of a client are nobody's fault.

use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::iter;
use std::rc::Rc;

/// The kinds of errors with which calls of a client have failed because their connections were cut
/// by chance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Excuse(Rc<RefCell<Vec<io::ErrorKind>>>);

impl Excuse {
    pub(crate) fn note(&self, error: &io::Error) {
        let mut kinds = self.0.borrow_mut();
        if !kinds.contains(&error.kind()) {
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
