//! The tests that qemu-user cannot carry.

/// What keeps tests from starting a program, such as their own with few descriptors.
pub(super) const STARTS_ANOTHER: &str = "the kernel does not start a program for this processor";

/// The tests that are left out, and why. Each name is whole: one that no test has is an error.
pub(super) const LEFT_OUT: [(&str, &str); 11] = [
    (
        "accept::acceptor::tests::a_shortage_after_the_first_connection_of_a_turn_is_none",
        STARTS_ANOTHER,
    ),
    (
        "accept::acceptor::tests::\
         clients_without_a_descriptor_wait_for_one_backoff_and_are_turned_away",
        STARTS_ANOTHER,
    ),
    (
        "accept::shortage::tests::\
         a_reserve_that_could_not_be_held_is_taken_when_a_connection_ends",
        STARTS_ANOTHER,
    ),
    ("a_backlog_is_cut_by_the_system_alone", STARTS_ANOTHER),
    ("a_live_unix_socket_is_alive_in_gvisor", STARTS_ANOTHER),
    ("a_peer_that_has_gone_does_not_end_a_program_of_c", STARTS_ANOTHER),
    ("a_unix_socket_with_a_full_backlog_is_alive", STARTS_ANOTHER),
    (
        "backend::imp::tests::a_local_address_is_told_beside_what_else_a_socket_tells",
        "qemu 7.2 has no SO_TIMESTAMPNS",
    ),
    (
        "backend::imp::tests::multicast_stays_as_it_was_set_on_a_socket_that_was_taken_over",
        "qemu 7.2 has no IP_MULTICAST_ALL",
    ),
    (
        "backend::imp::tests::the_error_queue_of_a_stream_that_was_taken_over_is_silent",
        "qemu 7.2 has no SO_TIMESTAMPING",
    ),
    (
        "backend::imp::tests::the_error_queue_of_a_udp_socket_that_was_taken_over_is_silent",
        "qemu 7.2 has no SO_TIMESTAMPING",
    ),
];
