//! Each rule with its paragraph, on real files.

mod conditions;
mod directories;
mod encodings;
mod escapes;
mod media_types;
mod pieces;
mod properties;
mod ranges;
mod site;
mod targets;
