//! Each check passes evio, and finds fault with the twin that has its bug, and only with that.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::thread;

use evio_twins::{Bug, Program, Verdict, checks};

const TWIN: &str = env!("CARGO_BIN_EXE_twin");

type Check = fn(&Program) -> Verdict;

#[track_caller]
fn passes(check: Check) {
    check(&Program::new(env!("CARGO_BIN_EXE_healthy"))).unwrap();
}

/// Checks a twin without a bug and one with it; `fault` is a part of what must be said of that.
#[track_caller]
fn is_caught(bug: Bug, check: Check, fault: &str) {
    let error = thread::scope(|scope| {
        let sound = scope.spawn(|| check(&Program::twin(TWIN, Bug::None)));
        let verdict = check(&Program::twin(TWIN, bug));
        sound.join().unwrap().unwrap();
        verdict.unwrap_err().to_string()
    });
    println!("{}: {error}", bug.name());
    assert!(error.contains(fault), "{error}");
}

#[test]
fn evio_keeps_output_on_wake_passes() {
    passes(checks::keeps_output_on_wake);
}

#[test]
fn twin_lost_output_is_caught() {
    is_caught(Bug::LostOutput, checks::keeps_output_on_wake, "came back");
}

#[test]
fn evio_keeps_output_passes() {
    passes(checks::keeps_output);
}

#[test]
fn twin_short_writes_is_caught() {
    is_caught(Bug::ShortWrites, checks::keeps_output, "came back");
}

#[test]
fn evio_waits_for_slow_peers_passes() {
    passes(checks::waits_for_slow_peers);
}

#[test]
fn twin_spin_is_caught() {
    is_caught(Bug::Spin, checks::waits_for_slow_peers, "was busy");
}

#[test]
fn evio_bounds_its_memory_passes() {
    passes(checks::bounds_its_memory);
}

#[test]
fn twin_unlimited_output_is_caught() {
    is_caught(Bug::UnlimitedOutput, checks::bounds_its_memory, "the server holds");
}

#[test]
fn evio_answers_every_message_passes() {
    passes(checks::answers_every_message);
}

#[test]
fn twin_drain_first_is_caught() {
    is_caught(Bug::DrainFirst, checks::answers_every_message, "is not answered");
}

#[test]
fn evio_ignores_stale_handles_passes() {
    passes(checks::ignores_stale_handles);
}

#[test]
fn twin_no_generation_is_caught() {
    is_caught(Bug::NoGeneration, checks::ignores_stale_handles, "the new connection gets");
}

#[test]
fn evio_closes_once_passes() {
    passes(checks::closes_once);
}

#[test]
fn twin_double_closed_is_caught() {
    is_caught(Bug::DoubleClosed, checks::closes_once, "is reported 2 times");
}

#[test]
fn evio_frees_descriptors_passes() {
    passes(checks::frees_descriptors);
}

#[test]
fn twin_descriptor_leak_is_caught() {
    is_caught(Bug::DescriptorLeak, checks::frees_descriptors, "descriptors are left of");
}

#[test]
fn evio_outlives_its_descriptor_limit_passes() {
    passes(checks::outlives_its_descriptor_limit);
}

#[test]
fn twin_exit_on_emfile_is_caught() {
    is_caught(Bug::ExitOnEmfile, checks::outlives_its_descriptor_limit, "does not outlive");
}

#[test]
fn evio_ticks_on_time_passes() {
    passes(checks::ticks_on_time);
}

#[test]
fn twin_sleep_tick_is_caught() {
    is_caught(Bug::SleepTick, checks::ticks_on_time, "have drifted");
}

#[test]
fn evio_parses_in_linear_time_passes() {
    passes(checks::parses_in_linear_time);
}

#[test]
fn twin_quadratic_parse_is_caught() {
    is_caught(Bug::QuadraticParse, checks::parses_in_linear_time, "times as much");
}
