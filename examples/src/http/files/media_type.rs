//! The `Content-Type` of a file.

use std::borrow::Cow;
use std::path::Path;

/// Returns the media type that the extension of `path` stands for.
///
/// Text is taken for UTF-8, as nearly all of it is. XML says in its first line how it is encoded,
/// and a `charset` here would overrule that (RFC 7303, section 3).
pub(super) fn of(path: &Path) -> Cow<'static, str> {
    let Some(known) = mime_guess::from_path(path).first_raw() else {
        return Cow::Borrowed("application/octet-stream");
    };
    // The table has the old name for some extensions; RFC 9239, section 6, replaces it.
    let known = if known == "application/javascript" { "text/javascript" } else { known };
    if known.starts_with("text/") && known != "text/xml" {
        Cow::Owned(format!("{known}; charset=utf-8"))
    } else {
        Cow::Borrowed(known)
    }
}
