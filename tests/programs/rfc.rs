//! The rules of the RFCs that the program keeps to, each by its name and section: which rows of the tables show it. What is
//! kept to elsewhere is listed with these in `tests/rfc_rules.txt`.

use crate::row::{Row, check};

/// Runs the rows with these names, each of which has to be in some table. IPv4 and IPv6 have rows of their own.
#[track_caller]
fn shown_by(names: &[&str]) {
    let tables = crate::tables();
    let rows: Vec<Row> = names
        .iter()
        .flat_map(|name| {
            let named: Vec<_> = tables.iter().filter(|row| row.name == *name).collect();
            assert!(!named.is_empty(), "no row is called {name:?}");
            named.into_iter().cloned()
        })
        .collect();

    check(&rows);
}

#[test]
fn rfc768_a_checksum_that_is_computed_as_zero_is_sent_as_all_ones() {
    shown_by(&[
        "a checksum that comes out as zero is sent as all ones",
        "IPv6: a checksum that comes out as zero is sent as all ones",
    ]);
}

#[test]
fn rfc8200_8_1_over_ipv6_a_datagram_without_a_checksum_is_discarded() {
    shown_by(&[
        "IPv6: no UDP checksum, which IPv6 does not allow",
        "IPv6: no UDP checksum, which IPv6 does not allow, in a reply",
        "signed, without a UDP checksum",
    ]);
}

#[test]
fn rfc5880_6_8_6_another_version_is_discarded() {
    shown_by(&["version 0", "version 2", "version 7", "IPv6: version 0"]);
}

#[test]
fn rfc5880_6_8_6_a_length_below_24_or_beyond_the_payload_is_discarded() {
    shown_by(&[
        "BFD shorter than its mandatory section",
        "BFD of length 0",
        "BFD longer than the datagram",
        "a length that BFD does not have",
        "a payload that is too short",
        "IPv6: a payload that is too short",
    ]);
}

#[test]
fn rfc5880_6_8_6_detect_multiplier_0_is_discarded() {
    shown_by(&["detect multiplier 0", "IPv6: detect multiplier 0"]);
}

#[test]
fn rfc5880_6_8_6_the_multipoint_bit_is_discarded() {
    shown_by(&["multipoint"]);
}

#[test]
fn rfc5880_6_8_6_my_discriminator_0_is_discarded() {
    shown_by(&["My Discriminator 0"]);
}

#[test]
fn rfc5880_6_8_6_authentication_that_is_not_in_use_is_discarded() {
    shown_by(&[
        "authentication",
        "authentication without a section",
        "IPv6: authentication without a section",
        "signed, and no key is configured",
        "signed, and the session has no key",
    ]);
}

#[test]
fn rfc5880_6_8_6_a_packet_without_the_authentication_that_is_in_use_is_discarded() {
    shown_by(&["no signature"]);
}

#[test]
fn rfc5880_6_7_4_another_type_or_length_of_authentication_is_discarded() {
    shown_by(&[
        "Keyed SHA1, not meticulous",
        "type 0",
        "Keyed MD5",
        "Meticulous Keyed MD5",
        "a simple password",
        "a section that is one octet short",
        "a section that is one octet long",
    ]);
}

#[test]
fn rfc5880_6_7_4_a_key_id_that_is_not_configured_is_discarded() {
    shown_by(&[
        "a key that is not configured",
        "signed with a key that is configured no more",
        "signed with a key of another session",
    ]);
}

#[test]
fn rfc5880_6_7_4_another_hash_than_the_key_gives_is_discarded() {
    shown_by(&[
        "another secret",
        "the secret of the other key",
        "the first octet of the hash",
        "the last octet of the hash",
        "an interval that was changed on the way",
    ]);
}

#[test]
fn rfc5880_4_4_the_reserved_octet_is_ignored_on_receipt_and_zero_on_transmit() {
    shown_by(&[
        "a reserved octet is cleared",
        "signed, and a reserved octet",
    ]);
}

#[test]
fn rfc5881_5_a_reply_with_another_ttl_than_255_is_discarded() {
    shown_by(&[
        "a reply that was routed",
        "IPv6: a reply that was routed",
        "signed, and routed",
    ]);
}

#[test]
fn rfc7880_7_2_1_a_discriminator_that_is_not_ours_is_discarded() {
    shown_by(&[
        "another's discriminator",
        "Your Discriminator 0",
        "IPv6: another's discriminator",
        "signed, for a discriminator that is not ours",
    ]);
}

#[test]
fn rfc7880_7_2_1_local_policy_may_refuse_an_initiator_and_no_other_is_left_unanswered() {
    shown_by(&[
        "an initiator that is not listed",
        "IPv6: an initiator that is not listed",
        "one more than may come at once",
        "a listed initiator",
        "IPv6: a listed initiator",
    ]);
}

#[test]
fn rfc7880_7_2_2_a_reply_says_what_the_reflector_has_to_say() {
    shown_by(&[
        "a routed request",
        "IPv6: a request",
        "the initiator's own state and diagnostic do not matter",
        "flags that do not matter are cleared",
        "intervals of the initiator: Desired Min TX is kept, the others are ours",
        "IPv6: intervals of the initiator: Desired Min TX is kept, the others are ours",
    ]);
}

#[test]
fn rfc7880_7_2_3_required_min_rx_is_what_this_host_can_bear() {
    shown_by(&["another Required Min RX Interval"]);
}

#[test]
fn rfc7880_7_2_3_in_service_it_is_up() {
    shown_by(&["a host whose daemon runs answers"]);
}

#[test]
fn rfc7880_7_2_3_out_of_service_on_purpose_it_is_admin_down() {
    shown_by(&[
        "on hold it is AdminDown, whatever the administrator does to what is checked",
        "by a host on hold, whose state is signed as well",
    ]);
}

#[test]
fn rfc7880_7_2_3_a_request_without_d_is_discarded() {
    shown_by(&[
        "Demand clear",
        "IPv6: Demand clear",
        "our own signed reply, sent to a reflector",
    ]);
}

#[test]
fn rfc7880_7_3_3_a_reply_with_d_is_discarded() {
    shown_by(&["Demand, as in a request that came back"]);
}

#[test]
fn rfc7880_7_3_3_admin_down_is_an_answer() {
    shown_by(&[
        "AdminDown, which is an answer too",
        "IPv6: AdminDown, which is an answer too",
        "AdminDown, signed",
    ]);
}

#[test]
fn rfc7880_7_5_poll_is_answered_with_final() {
    shown_by(&[
        "a request with Poll is answered with Final",
        "IPv6: Poll is answered with Final",
        "Poll is answered with Final",
    ]);
}

#[test]
fn rfc7880_11_the_reflector_uses_no_sequence_to_accept_a_request() {
    shown_by(&["a sequence that was answered before is answered again"]);
}

#[test]
fn rfc7880_11_a_reply_is_signed_with_the_sequence_that_was_received() {
    shown_by(&[
        "signed with one key",
        "signed with the other key",
        "the sequence is sent back, whatever it is",
    ]);
}

#[test]
fn rfc7880_11_the_initiator_accepts_the_sequence_of_a_request_under_way_and_no_other() {
    shown_by(&[
        "signed with the key that requests are",
        "recorded a turn ago",
        "recorded a turn ahead",
        "the sequence of the request before",
        "the sequence without its high half",
        "no request at all",
    ]);
}

#[test]
fn rfc7881_6_a_request_from_port_7784_is_discarded() {
    shown_by(&["from a reflector's port", "IPv6: from a reflector's port"]);
}

#[test]
fn rfc7881_4_the_reflector_answers_at_its_own_addresses_alone() {
    shown_by(&[
        "an address that is not ours",
        "an address that was ours",
        "IPv6: an address that is not the reflector's",
    ]);
}

#[test]
fn rfc7881_7_a_request_from_an_address_that_no_reply_can_go_back_to_is_not_acted_on() {
    shown_by(&[
        "from nobody",
        "from a loopback",
        "from a group",
        "from everybody",
        "from our own address",
        "from our own address of another NIC",
        "IPv6: from nobody",
        "IPv6: from a group",
    ]);
}

#[test]
fn rfc7881_7_requests_can_be_filtered_by_where_they_come_from() {
    shown_by(&[
        "an initiator that is not listed",
        "a listed initiator",
        "IPv6: an initiator that is not listed",
        "IPv6: a listed initiator",
    ]);
}

#[test]
fn rfc7881_6_1_a_reply_goes_back_to_where_the_request_came_from_with_ttl_255() {
    shown_by(&[
        "a routed request",
        "at another address of the reflector",
        "IPv6: a request",
        "IPv6: a request with hop limit 255",
    ]);
}

#[test]
fn rfc5227_2_4_arp_with_our_address_and_anothers_mac_is_a_conflict() {
    shown_by(&[
        "an announcement",
        "a gratuitous reply",
        "a request that is sent with the address",
        "a reply that says so to us",
        "an announcement on another NIC",
    ]);
}

#[test]
fn rfc5227_2_1_1_a_probe_for_a_held_address_is_answered() {
    shown_by(&["a probe, which would find the address free otherwise"]);
}

#[test]
fn rfc4861_7_1_1_invalid_solicitations_are_discarded() {
    shown_by(&[
        "ND: a question from beyond a router",
        "ND: a question with a wrong checksum",
        "ND: a question with a code",
        "ND: a question that is too short",
        "ND: a question for a group",
        "ND: a question with an option of length 0",
        "ND: a probe to the address itself",
        "ND: a probe with a MAC to answer to",
    ]);
}

#[test]
fn rfc4861_7_1_2_invalid_advertisements_are_discarded() {
    shown_by(&[
        "ND: an announcement from beyond a router",
        "ND: an announcement with a wrong checksum",
        "ND: an announcement with a code",
        "ND: an announcement that is too short",
        "ND: an announcement with an option of length 0",
        "ND: an announcement that says it was solicited by all",
    ]);
}

#[test]
fn rfc4861_7_2_4_a_solicitation_is_answered_to_whoever_asked() {
    shown_by(&[
        "ND: a question on the chosen NIC",
        "ND: a question to us alone",
    ]);
}

#[test]
fn rfc4861_7_2_4_who_has_no_address_is_answered_to_all_nodes() {
    shown_by(&[
        "ND: a probe, which would find the address free otherwise",
        "ND: a probe with a nonce",
    ]);
}
