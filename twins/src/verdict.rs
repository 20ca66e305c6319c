//! What a check says.

use std::error::Error;

/// What was looked for, or what was seen that should not be.
pub type Verdict<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;
