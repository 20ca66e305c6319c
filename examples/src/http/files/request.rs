//! The parts of a request that decide how a file is served.

/// A request for a file.
///
/// # Examples
///
/// ```
/// use evio_examples::http::files::FileRequest;
///
/// let mut request = FileRequest::new("GET", b"/logo.png");
/// request.add_field("Range", b"bytes=0-99");
/// ```
#[derive(Clone, Debug, Default)]
pub struct FileRequest<'a> {
    pub(super) is_get: bool,
    pub(super) is_head: bool,
    pub(super) target: &'a [u8],
    pub(super) range: Option<&'a [u8]>,
    pub(super) if_range: Option<&'a [u8]>,
    pub(super) if_modified_since: Option<&'a [u8]>,
    pub(super) if_unmodified_since: Option<&'a [u8]>,
    // Lists, which may come in several lines: RFC 9110, section 5.3.
    pub(super) if_match: Vec<&'a [u8]>,
    pub(super) if_none_match: Vec<&'a [u8]>,
    pub(super) accept_encoding: Vec<&'a [u8]>,
}

impl<'a> FileRequest<'a> {
    /// Makes a request without header fields; `target` is as it stands in the request line.
    pub fn new(method: &str, target: &'a [u8]) -> Self {
        Self { is_get: method == "GET", is_head: method == "HEAD", target, ..Self::default() }
    }

    /// Adds a header field; those that do not concern files are passed over.
    pub fn add_field(&mut self, name: &str, value: &'a [u8]) {
        let singles = [
            ("Range", &mut self.range),
            ("If-Range", &mut self.if_range),
            ("If-Modified-Since", &mut self.if_modified_since),
            ("If-Unmodified-Since", &mut self.if_unmodified_since),
        ];
        for (known, slot) in singles {
            if name.eq_ignore_ascii_case(known) {
                // A doubled field means nothing certain; no rule accepts an empty value.
                *slot = Some(if slot.is_none() { value.trim_ascii() } else { b"" });
            }
        }
        let lists = [
            ("If-Match", &mut self.if_match),
            ("If-None-Match", &mut self.if_none_match),
            ("Accept-Encoding", &mut self.accept_encoding),
        ];
        for (known, lines) in lists {
            if name.eq_ignore_ascii_case(known) {
                lines.push(value.trim_ascii());
            }
        }
    }
}
