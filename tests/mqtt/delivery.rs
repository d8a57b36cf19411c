//! The handshakes of QoS 0, 1 and 2, their order, their repetition and their limits: sections 2.2.1, 3.4 to 3.7, 4.3 to
//! 4.6 and 4.9.

use std::collections::BTreeSet;

use crate::harness::pool::scenarios;
use crate::harness::properties::{MESSAGE_EXPIRY, Properties, Property, RECEIVE_MAX};
use crate::harness::{AckKind, Body, Case, Client, Connect, Packet, Publish, subscribe, unsubscribe};

scenarios! {
    BOTH:
        a_message_of_qos_0_comes_once_and_plain,
        packet_identifier_zero_is_refused,
        each_message_under_way_has_an_identifier_of_its_own,
        answers_carry_the_identifier_of_what_they_answer,
        an_identifier_of_qos_1_names_a_new_message_after_puback,
        a_message_of_qos_2_is_passed_on_once,
        an_identifier_that_is_not_known_is_answered_all_the_same,
        a_message_of_qos_2_is_passed_on_once_over_two_connections,
        an_unacknowledged_message_is_sent_again,
        a_message_that_was_received_is_only_released_again,
        messages_are_sent_again_in_their_order,
        messages_keep_their_order,
        acknowledgements_keep_the_order_of_the_messages;
    ONLY_5:
        acknowledgements_say_how_it_went,
        a_refused_message_of_qos_2_frees_its_identifier,
        a_message_that_the_client_refused_is_not_sent_again,
        a_message_that_was_sent_expires_no_more,
        the_handshake_of_an_expired_message_is_completed,
        more_than_the_receive_maximum_ends_the_connection,
        the_server_keeps_to_the_receive_maximum,
        a_receive_maximum_of_zero_is_refused;
}

fn a_message_of_qos_0_comes_once_and_plain(case: &Case<'_>) {
    let connect = case.connect("kept").kept();
    let mut client = case.client_with(&connect);
    client.subscribe(&case.topic("t"), 2);
    case.publish(&Publish::new(&case.topic("t"), "m"));
    let message = client.expect_publish();
    assert_eq!((message.qos, message.dup), (0, false));
    client.vanish();
    let mut client = case.client_with(&connect);
    case.assert_nothing_waits(&mut client);
}

fn packet_identifier_zero_is_refused(case: &Case<'_>) {
    let topic = case.topic("t");
    let mut wrong = vec![
        Publish::new(&topic, "m").qos(1).bytes(case.version),
        Publish::new(&topic, "m").qos(2).bytes(case.version),
        subscribe(case.version, 0, &[], &[(&topic, 0)]),
        unsubscribe(case.version, 0, &[&topic]),
    ];
    wrong.extend([0x40, 0x50, 0x62, 0x70].map(|first| Body::new().u16(0).packet(first)));
    for bytes in wrong {
        let mut client = case.someone();
        client.send(&bytes);
        client.expect_disconnect(0x82);
    }
}

fn each_message_under_way_has_an_identifier_of_its_own(case: &Case<'_>) {
    let mut subscriber = case.subscriber(&case.topic("t"), 2);
    let mut publisher = case.someone();
    for number in 0..10 {
        publisher.publish(&Publish::new(&case.topic("t"), "m").qos(1 + number % 2));
    }
    let under_way: BTreeSet<u16> = (0..10).map(|_| subscriber.expect_publish().id).collect();
    assert_eq!(under_way.len(), 10);
    // Many others come and go meanwhile.
    for number in 0..200 {
        publisher.publish(&Publish::new(&case.topic("t"), "m").qos(1 + number % 2));
        let passing = subscriber.take();
        assert!(!under_way.contains(&passing.id), "identifier {} is in use", passing.id);
    }
}

fn answers_carry_the_identifier_of_what_they_answer(case: &Case<'_>) {
    let mut client = case.someone();
    let topic = case.topic("t");
    for id in [1, 2, 255, 256, 65_535] {
        client.send(&subscribe(case.version, id, &[], &[(&topic, 1)]));
        assert!(matches!(client.next(), Packet::Suback { id: answered, .. } if answered == id));
        client.send(&unsubscribe(case.version, id, &[&topic]));
        assert!(matches!(client.next(), Packet::Unsuback { id: answered, .. } if answered == id));
        client.send(&Publish::new(&topic, "m").qos(1).id(id).bytes(case.version));
        client.expect_ack(AckKind::Puback, id);
        client.send(&Publish::new(&topic, "m").qos(2).id(id).bytes(case.version));
        client.expect_ack(AckKind::Pubrec, id);
        client.send_ack(AckKind::Pubrel, id);
        client.expect_ack(AckKind::Pubcomp, id);
    }
    client.subscribe(&topic, 2);
    case.publish(&Publish::new(&topic, "m").qos(2));
    let message = client.expect_publish();
    client.send_ack(AckKind::Pubrec, message.id);
    assert_eq!(client.expect_ack(AckKind::Pubrel, message.id), 0);
}

fn an_identifier_of_qos_1_names_a_new_message_after_puback(case: &Case<'_>) {
    let mut subscriber = case.subscriber(&case.topic("t"), 1);
    let mut client = case.someone();
    let message = Publish::new(&case.topic("t"), "m").qos(1).id(7);
    client.publish(&message);
    client.publish(&message.clone().dup());
    client.publish(&message);
    for _ in 0..3 {
        assert!(!subscriber.take().dup);
    }
    case.assert_nothing_waits(&mut subscriber);
}

/// Publishes at QoS 2 as far as PUBREC.
fn publish_half(client: &mut Client, case: &Case<'_>, message: &Publish) -> u8 {
    client.send(&message.bytes(case.version));
    client.expect_ack(AckKind::Pubrec, message.id)
}

fn a_message_of_qos_2_is_passed_on_once(case: &Case<'_>) {
    let mut subscriber = case.subscriber(&case.topic("t"), 2);
    let mut client = case.someone();
    let message = |payload: &str| Publish::new(&case.topic("t"), payload).qos(2).id(9);
    publish_half(&mut client, case, &message("first"));
    publish_half(&mut client, case, &message("first").dup());
    client.send_ack(AckKind::Pubrel, 9);
    client.expect_ack(AckKind::Pubcomp, 9);
    // Once it is complete, the identifier names a new message, whatever DUP says.
    client.publish(&message("second").dup());
    assert_eq!((subscriber.take_text(), subscriber.take_text()), ("first".to_owned(), "second".to_owned()));
    case.assert_nothing_waits(&mut subscriber);
}

fn a_message_of_qos_2_is_passed_on_once_over_two_connections(case: &Case<'_>) {
    let mut subscriber = case.subscriber(&case.topic("t"), 2);
    let connect = case.connect("publisher").kept();
    let message = Publish::new(&case.topic("t"), "m").qos(2).id(9);
    let mut client = case.client_with(&connect);
    publish_half(&mut client, case, &message);
    client.vanish();
    let mut client = case.client_with(&connect);
    publish_half(&mut client, case, &message.clone().dup());
    client.send_ack(AckKind::Pubrel, 9);
    assert_eq!(client.expect_ack(AckKind::Pubcomp, 9), 0);
    assert_eq!(subscriber.take_text(), "m");
    case.assert_nothing_waits(&mut subscriber);
}

/// A client with a session that is kept, and three messages of a QoS on their way to it.
fn with_three_under_way(case: &Case<'_>, connect: &Connect, qos: u8) -> (Client, Vec<Publish>) {
    let mut client = case.client_with(connect);
    client.subscribe(&case.topic("t"), qos);
    for payload in ["one", "two", "three"] {
        case.publish(&Publish::new(&case.topic("t"), payload).qos(qos));
    }
    let messages: Vec<Publish> = (0..3).map(|_| client.expect_publish()).collect();
    assert!(messages.iter().all(|message| !message.dup && message.qos == qos));
    (client, messages)
}

/// The same messages once more: with their identifiers, in their order, and marked as repeated.
fn expect_again(client: &mut Client, messages: &[Publish]) {
    for message in messages {
        assert_eq!(client.expect_publish(), message.clone().dup());
    }
}

fn an_unacknowledged_message_is_sent_again(case: &Case<'_>) {
    for qos in [1, 2] {
        let connect = case.connect(&format!("kept/{qos}")).kept();
        let (mut client, messages) = with_three_under_way(case, &connect, qos);
        client.acknowledge(&messages[1]);
        // The server has seen it before the connection ends.
        client.ping();
        client.vanish();
        let left = [messages[0].clone(), messages[2].clone()];
        for _ in 0..2 {
            let mut client = case.client_with(&connect);
            expect_again(&mut client, &left);
            client.vanish();
        }
        let mut client = case.client_with(&connect);
        expect_again(&mut client, &left);
        left.iter().for_each(|message| client.acknowledge(message));
        case.assert_nothing_waits(&mut client);
    }
}

fn a_message_that_was_received_is_only_released_again(case: &Case<'_>) {
    let connect = case.connect("kept").kept();
    let (mut client, messages) = with_three_under_way(case, &connect, 2);
    for message in &messages {
        client.send_ack(AckKind::Pubrec, message.id);
        client.expect_ack(AckKind::Pubrel, message.id);
    }
    client.vanish();
    let mut client = case.client_with(&connect);
    // In the order of the PUBRECs.
    for message in &messages {
        client.expect_ack(AckKind::Pubrel, message.id);
    }
    for message in &messages {
        client.send_ack(AckKind::Pubcomp, message.id);
    }
    client.ping();
    client.vanish();
    let mut client = case.client_with(&connect);
    case.assert_nothing_waits(&mut client);
}

fn messages_are_sent_again_in_their_order(case: &Case<'_>) {
    let connect = case.connect("kept").kept();
    let mut client = case.client_with(&connect);
    client.subscribe(&case.topic("t"), 2);
    let mut publisher = case.someone();
    for number in 0..15 {
        publisher.publish(&Publish::new(&case.topic("t"), &number.to_string()).qos(1 + number % 2));
    }
    let messages: Vec<Publish> = (0..15).map(|_| client.expect_publish()).collect();
    client.vanish();
    let mut client = case.client_with(&connect);
    expect_again(&mut client, &messages);
}

fn messages_keep_their_order(case: &Case<'_>) {
    for qos in 0..=2 {
        let mut subscribers = [0, 1, 2].map(|granted| case.subscriber(&case.topic("t"), granted));
        let mut publisher = case.someone();
        for number in 0..100 {
            publisher.publish(&Publish::new(&case.topic("t"), &number.to_string()).qos(qos));
        }
        for subscriber in &mut subscribers {
            for number in 0..100 {
                assert_eq!(subscriber.take_text(), number.to_string());
            }
        }
    }
}

fn acknowledgements_keep_the_order_of_the_messages(case: &Case<'_>) {
    let mut client = case.someone();
    let topic = case.topic("t");
    let ids = [10, 3, 7, 1, 9, 2];
    for (qos, kind) in [(1, AckKind::Puback), (2, AckKind::Pubrec)] {
        let all: Vec<u8> =
            ids.iter().flat_map(|&id| Publish::new(&topic, "m").qos(qos).id(id).bytes(case.version)).collect();
        client.send(&all);
        for id in ids {
            client.expect_ack(kind, id);
        }
    }
    ids.iter().for_each(|&id| client.send_ack(AckKind::Pubrel, id));
    for id in ids {
        client.expect_ack(AckKind::Pubcomp, id);
    }
    // PUBREL follows the order of PUBREC.
    let mut subscriber = case.subscriber(&topic, 2);
    for _ in 0..4 {
        client.publish(&Publish::new(&topic, "m").qos(2));
    }
    let mut under_way: Vec<u16> = (0..4).map(|_| subscriber.expect_publish().id).collect();
    under_way.swap(0, 3);
    under_way.iter().for_each(|&id| subscriber.send_ack(AckKind::Pubrec, id));
    for id in under_way {
        subscriber.expect_ack(AckKind::Pubrel, id);
    }
}

fn acknowledgements_say_how_it_went(case: &Case<'_>) {
    let mut client = case.someone();
    let topic = case.topic("t");
    for qos in [1, 2] {
        // Nobody is subscribed: a server may say so.
        assert!(matches!(client.publish(&Publish::new(&topic, "m").qos(qos)), 0 | 0x10));
        assert_eq!(client.publish(&Publish::new(case.forbidden_topic(), "m").qos(qos)), 0x87);
    }
    client.subscribe(&topic, 0);
    for qos in [1, 2] {
        assert_eq!(client.publish(&Publish::new(&topic, "m").qos(qos)), 0);
        client.take();
    }
}

fn an_identifier_that_is_not_known_is_answered_all_the_same(case: &Case<'_>) {
    let mut client = case.someone();
    client.send_ack(AckKind::Pubrel, 4711);
    let not_found = if case.is_5() { 0x92 } else { 0 };
    assert_eq!(client.expect_ack(AckKind::Pubcomp, 4711), not_found);
    client.send_ack(AckKind::Pubrec, 4712);
    assert_eq!(client.expect_ack(AckKind::Pubrel, 4712), not_found);
}

fn a_refused_message_of_qos_2_frees_its_identifier(case: &Case<'_>) {
    let mut subscriber = case.subscriber(&case.topic("t"), 2);
    let mut client = case.someone();
    assert_eq!(publish_half(&mut client, case, &Publish::new(case.forbidden_topic(), "m").qos(2).id(5)), 0x87);
    client.publish(&Publish::new(&case.topic("t"), "new").qos(2).id(5).dup());
    assert_eq!(subscriber.take_text(), "new");
}

fn a_message_that_the_client_refused_is_not_sent_again(case: &Case<'_>) {
    for (qos, kind) in [(1, AckKind::Puback), (2, AckKind::Pubrec)] {
        let connect = case.connect(&format!("kept/{qos}")).kept();
        let (mut client, messages) = with_three_under_way(case, &connect, qos);
        for (message, code) in messages.iter().zip([0x80, 0x83, 0x99]) {
            client.send_ack_code(kind, message.id, code);
        }
        client.ping();
        client.vanish();
        let mut client = case.client_with(&connect);
        case.assert_nothing_waits(&mut client);
    }
}

fn a_message_that_was_sent_expires_no_more(case: &Case<'_>) {
    let connect = case.connect("kept").kept();
    let mut client = case.client_with(&connect);
    client.subscribe(&case.topic("t"), 2);
    for qos in [1, 2] {
        case.publish(&Publish::new(&case.topic("t"), "m").qos(qos).with(Property::number(MESSAGE_EXPIRY, 1)));
    }
    let under_way = [client.expect_publish().id, client.expect_publish().id];
    client.vanish();
    case.let_time_pass();
    let mut client = case.client_with(&connect);
    for id in under_way {
        let again = client.take();
        assert_eq!((again.id, again.dup), (id, true));
    }
}

fn the_handshake_of_an_expired_message_is_completed(case: &Case<'_>) {
    let connect = case.connect("absent").kept();
    let mut absent = case.client_with(&connect);
    absent.subscribe(&case.topic("t"), 2);
    absent.leave();
    let mut client = case.someone();
    let message = Publish::new(&case.topic("t"), "m").qos(2).id(9).with(Property::number(MESSAGE_EXPIRY, 1));
    publish_half(&mut client, case, &message);
    case.let_time_pass();
    client.send_ack(AckKind::Pubrel, 9);
    assert_eq!(client.expect_ack(AckKind::Pubcomp, 9), 0);
    let mut absent = case.client_with(&connect);
    case.assert_nothing_waits(&mut absent);
}

fn more_than_the_receive_maximum_ends_the_connection(case: &Case<'_>) {
    let mut client = case.ask(&case.connect("eager"));
    let (_, properties) = client.expect_connack();
    let receive_max = properties.get_number(RECEIVE_MAX).unwrap_or(65_535);
    let topic = case.topic("t");
    let ids = 1..=u16::try_from(receive_max).unwrap();
    for id in ids.clone() {
        client.send(&Publish::new(&topic, "m").qos(2).id(id).bytes(case.version));
    }
    for id in ids {
        client.expect_ack(AckKind::Pubrec, id);
    }
    // PUBREC does not give the place back, PUBCOMP does.
    client.send_ack(AckKind::Pubrel, 1);
    client.expect_ack(AckKind::Pubcomp, 1);
    client.send(&Publish::new(&topic, "m").qos(2).id(1).bytes(case.version));
    client.expect_ack(AckKind::Pubrec, 1);
    client.send(&Publish::new(&topic, "m").qos(1).id(60_000).bytes(case.version));
    client.expect_disconnect(0x93);
}

fn the_server_keeps_to_the_receive_maximum(case: &Case<'_>) {
    let mut client = case.client_with(&case.connect("slow").with(Property::number(RECEIVE_MAX, 2)));
    let topic = case.topic("t");
    client.subscribe(&topic, 2);
    let mut publisher = case.someone();
    for number in 0..6 {
        publisher.publish(&Publish::new(&topic, &number.to_string()).qos(1 + number % 2));
    }
    let mut under_way = vec![client.expect_publish(), client.expect_publish()];
    for number in 2..8 {
        // No third one comes; everything but messages still does.
        client.ping();
        client.subscribe(&case.topic(&format!("other/{number}")), 0);
        client.send(&Publish::new(&case.topic("own"), "m").qos(1).id(1000 + number).bytes(case.version));
        client.expect_ack(AckKind::Puback, 1000 + number);
        let done = under_way.remove(0);
        assert_eq!(done.text(), (number - 2).to_string());
        if done.qos == 2 {
            // PUBREC does not give the place back, PUBCOMP does.
            client.send_ack(AckKind::Pubrec, done.id);
            client.expect_ack(AckKind::Pubrel, done.id);
            client.ping();
            client.send_ack(AckKind::Pubcomp, done.id);
        } else {
            client.send_ack(AckKind::Puback, done.id);
        }
        if number < 6 {
            under_way.push(client.expect_publish());
        }
    }
    client.ping();
}

fn a_receive_maximum_of_zero_is_refused(case: &Case<'_>) {
    let mut client = case.ask(&case.connect("zero").with(Property::number(RECEIVE_MAX, 0)));
    client.expect_refusal(0x82, None);
}
