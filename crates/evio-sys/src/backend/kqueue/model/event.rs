//! The types of `nix::sys::event`, with the values of FreeBSD's `sys/event.h`.

use std::ops::BitOr;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::upper_case_acronyms, non_camel_case_types, reason = "the names of the manual")]
pub(crate) enum EventFilter {
    EVFILT_READ,
    EVFILT_WRITE,
    EVFILT_USER,
}

macro_rules! flags {
    ($name:ident($bits:ty) { $($flag:ident = $value:expr,)* }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name($bits);

        #[allow(dead_code, reason = "each kind of flags is used in another way")]
        impl $name {
            $(pub(crate) const $flag: Self = Self($value);)*

            pub(crate) const fn empty() -> Self {
                Self(0)
            }

            pub(crate) const fn bits(self) -> $bits {
                self.0
            }

            pub(crate) const fn from_bits_retain(bits: $bits) -> Self {
                Self(bits)
            }

            pub(crate) const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }
        }

        impl BitOr for $name {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }
    };
}

flags!(EvFlags(u16) {
    EV_ADD = 0x0001,
    EV_DELETE = 0x0002,
    EV_CLEAR = 0x0020,
    EV_RECEIPT = 0x0040,
    EV_DISPATCH = 0x0080,
    EV_ERROR = 0x4000,
    EV_EOF = 0x8000,
});

flags!(FilterFlag(u32) {
    NOTE_LOWAT = 0x0001,
    NOTE_TRIGGER = 0x0100_0000,
});

/// A change, or an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KEvent {
    ident: usize,
    filter: EventFilter,
    flags: EvFlags,
    fflags: FilterFlag,
    data: isize,
    udata: isize,
}

impl KEvent {
    pub(crate) fn new(
        ident: usize,
        filter: EventFilter,
        flags: EvFlags,
        fflags: FilterFlag,
        data: isize,
        udata: isize,
    ) -> Self {
        Self { ident, filter, flags, fflags, data, udata }
    }

    pub(crate) fn ident(&self) -> usize {
        self.ident
    }

    /// Never fails here; in nix it does for a filter that it does not know.
    pub(crate) fn filter(&self) -> nix::Result<EventFilter> {
        Ok(self.filter)
    }

    pub(crate) fn flags(&self) -> EvFlags {
        self.flags
    }

    pub(crate) fn fflags(&self) -> FilterFlag {
        self.fflags
    }

    pub(crate) fn data(&self) -> isize {
        self.data
    }

    pub(crate) fn udata(&self) -> isize {
        self.udata
    }

    pub(super) fn with_flags(mut self, flags: EvFlags) -> Self {
        self.flags = flags;
        self
    }

    /// Returns the event that a change or a knote leads to: it has the flags of that, with others.
    pub(super) fn reported(mut self, flags: EvFlags, fflags: FilterFlag, data: isize) -> Self {
        self.flags = self.flags | flags;
        self.fflags = fflags;
        self.data = data;
        self
    }
}
