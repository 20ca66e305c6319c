//! What the example servers share: see the README of this package for the reading order.

#![forbid(unsafe_code)]

pub mod cli;
pub mod http;
pub mod logger;
pub mod mqtt;
pub mod proxy;
pub mod redis;
pub mod resp;
