//! Servers that send anything.

use std::net::Ipv4Addr;
use std::time::Duration;

use ferrule_tests::dhcp::message::{ACK, DISCOVER, NAK, OFFER, REQUEST};
use ferrule_tests::dhcp::{
    Daemon, Message, Reply, SCRIPTED, ScriptedServer, Segment, Wire, good_answer, wait_until,
};
use serde_json::json;

use crate::dhcp::client::{Client, plain};
use crate::dhcp::kills::Random;

const LEASED: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 77);
const WRONG: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 66);
const PATIENT: &str = "-timeout 1s -resendmax 2s -resendtimeout 20s";

fn kind_of_answer(message: &Message) -> u8 {
    if message.kind() == DISCOVER {
        OFFER
    } else {
        ACK
    }
}

/// An answer that gives the wrong address.
fn wrong(message: &Message) -> Reply {
    Reply::to(message, kind_of_answer(message), SCRIPTED)
        .giving(WRONG)
        .lasting(3600)
}

/// Messages that no client may believe.
fn bad_messages(message: &Message) -> Vec<Vec<u8>> {
    let reply = wrong(message);
    let kind = kind_of_answer(message);
    let bare = Reply {
        options: Vec::new(),
        ..reply.clone()
    };
    let mut replies = vec![
        // Other exchanges, other clients, other directions.
        Reply {
            xid: reply.xid ^ 1,
            ..reply.clone()
        },
        Reply {
            chaddr: [2, 9, 9, 9, 9, 9],
            ..reply.clone()
        },
        Reply {
            op: 1,
            ..reply.clone()
        },
        Reply {
            op: 77,
            ..reply.clone()
        },
        // No server, a torn one, no time.
        bare.clone().option(53, &[kind]).giving(WRONG),
        bare.clone()
            .option(53, &[kind])
            .option(54, &[10, 9])
            .giving(WRONG),
        Reply::to(message, kind, SCRIPTED).giving(WRONG).lasting(0),
    ];
    // Addresses that no host has.
    for address in [[0, 0, 0, 0], [255; 4], [127, 0, 0, 1], [224, 0, 0, 1]] {
        replies.push(Reply {
            yiaddr: address.into(),
            ..reply.clone()
        });
    }
    // Masks of the wrong length or with holes.
    for mask in [
        &[255, 255, 255][..],
        &[255, 255, 255, 0, 0],
        &[255, 0, 255, 0],
        &[],
    ] {
        let mut reply = Reply::to(message, kind, SCRIPTED).lasting(3600);
        reply.yiaddr = WRONG;
        replies.push(reply.option(1, mask));
    }
    // Types that are none.
    for kind in [&[0][..], &[], &[200], &[2, 2]] {
        let reply = bare.clone().option(53, kind).option(54, &SCRIPTED.octets());
        replies.push(reply.giving(WRONG));
    }
    let mut messages: Vec<Vec<u8>> = replies.iter().map(Reply::encode).collect();
    // Options that reach beyond the end.
    let torn = Reply {
        options: vec![53],
        ..reply.clone()
    };
    messages.push(torn.encode_without_end());
    messages.push(torn.bytes(&[250, 2]).encode_without_end());
    // A wrong magic number, and a header that is cut anywhere.
    let mut magic = reply.encode();
    magic[236] = 0;
    messages.push(magic);
    let whole = reply.encode();
    let cuts = [0, 1, 7, 43, 44, 107, 108, 235, 236, 239, 240];
    messages.extend(cuts.map(|length| whole[..length].to_vec()));
    messages
}

/// Frames that no client may believe: those messages, and good ones in bad headers.
fn bad_frames(message: &Message, wire: &Wire) -> Vec<Vec<u8>> {
    let messages = bad_messages(message);
    let mut frames: Vec<Vec<u8>> = messages.iter().map(|message| wire.frame(message)).collect();
    let whole = wire.frame(&wrong(message).encode());
    let cuts = [14, 15, 33, 34, 41, 42, 60, 281, 282];
    frames.extend(cuts.map(|length| whole[..length].to_vec()));
    let changes = [
        (14, 0x40),
        (14, 0x4f),
        (14, 0x65),
        (16, 0xff),
        (17, 0),
        (20, 0x20),
        (23, 6),
        (36, 9),
        (38, 0xff),
        (38, 0),
        (39, 4),
        // Hardware addresses of impossible lengths.
        (44, 0),
        (44, 1),
        (44, 16),
        (44, 17),
        (44, 255),
    ];
    for (place, byte) in changes {
        let mut frame = whole.clone();
        frame[place] = byte;
        frames.push(frame);
    }
    frames
}

ferrule_testkit::test! {
    /// Whatever comes before the good answer, it is the good one that counts; and what comes after
    /// that changes nothing.
    fn bad_answers_are_passed_over(host) {
        let segment = Segment::new(host);
        let server = ScriptedServer::start(&segment, |message, wire| {
            let mut frames = bad_frames(message, wire);
            let good = good_answer(message, LEASED, 3600);
            frames.extend(good.map(|reply| wire.frame(&reply.encode())));
            frames.extend(bad_frames(message, wire));
            frames
        });
        let mut daemon = Daemon::start_with(host, PATIENT);
        let client = Client::new(&segment, "c1", &plain());
        let result = client.add();
        assert_eq!(result, json!({ "cniVersion": "1.1.0", "ips": [{ "address": "10.9.0.77/24" }] }));
        client.check(&result).succeeds();
        assert_eq!(client.add(), result);
        client.call.del().succeeds();
        assert!(daemon.runs(), "{}", daemon.log());
        assert!(server.heard().len() < 20, "{:#?}", server.heard());
    }
}

ferrule_testkit::test! {
    /// A server that refuses all: ADD fails in its time and says so, without a storm of packets.
    fn refusals_end_in_an_error(host) {
        let segment = Segment::new(host);
        let server = ScriptedServer::start(&segment, |message, wire| {
            let reply = match message.kind() {
                DISCOVER => good_answer(message, LEASED, 3600).unwrap(),
                REQUEST => Reply::to(message, NAK, SCRIPTED).option(56, b"go \x1b[31maway\n"),
                _ => return Vec::new(),
            };
            // Each refusal thrice.
            vec![wire.frame(&reply.encode()); if message.kind() == REQUEST { 3 } else { 1 }]
        });
        let mut daemon = Daemon::start_with(host, "-timeout 1s -resendmax 2s -resendtimeout 6s");
        let client = Client::new(&segment, "c1", &plain());
        let outcome = client.call.add().fails();
        let error = outcome.error();
        let text = format!("{}{}", error.msg, error.details);
        assert!(text.to_lowercase().contains("nak") || text.contains("refuse"), "{outcome}");
        assert!(!outcome.stdout.contains("\\u001b"), "{outcome}");
        assert!(server.heard().len() < 60, "{}", server.heard().len());
        client.call.del().succeeds();
        assert!(daemon.runs());
    }
}

ferrule_testkit::test! {
    /// Refusals of one who is not asked, at any time, do not take the lease.
    fn unasked_messages_change_nothing(host) {
        let segment = Segment::new(host);
        let server = ScriptedServer::start(&segment, |message, wire| {
            let good = good_answer(message, LEASED, 3600);
            good.map(|reply| wire.frame(&reply.encode())).into_iter().collect()
        });
        let mut daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        client.attach();
        let last = server.heard().last().unwrap().clone();
        for xid in [last.xid, 0, 1, u32::MAX] {
            let asked = Message { xid, ..last.clone() };
            for reply in [Reply::to(&asked, NAK, SCRIPTED), wrong(&asked), Reply::to(&asked, 9, SCRIPTED)] {
                for _ in 0..50 {
                    server.wire.send(&server.wire.frame(&reply.encode()));
                }
            }
        }
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(client.addresses(), ["10.9.0.77/24"]);
        assert_eq!(client.add()["ips"][0]["address"], "10.9.0.77/24");
        assert_eq!(server.heard().len(), 2, "{:#?}", server.heard());
        assert!(daemon.runs());
    }
}

ferrule_testkit::test! {
    /// Options as large as a packet can carry, in pieces and in the fields of file and name, are
    /// read or left; the result stays within bounds.
    fn huge_options_are_survived(host) {
        let segment = Segment::new(host);
        let _server = ScriptedServer::start(&segment, |message, wire| {
            let Some(mut reply) = good_answer(message, LEASED, 3600) else { return Vec::new() };
            for _ in 0..4 {
                reply = reply.option(121, &[0; 255]);
            }
            // Overload of both fields, which hold nothing.
            reply = reply.option(52, &[3]).option(119, &[0xc0, 0]);
            vec![wire.frame(&reply.encode())]
        });
        let mut daemon = Daemon::start_with(host, PATIENT);
        let config = crate::dhcp::client::config("1.1.0", &json!({
            "request": [{ "option": "121" }, { "option": "119" }, { "option": "15" }],
        }));
        let client = Client::new(&segment, "c1", &config);
        let outcome = client.call.add().succeeds();
        assert_eq!(outcome.json()["ips"], json!([{ "address": "10.9.0.77/24" }]));
        assert!(outcome.stdout.len() < 100_000);
        client.call.del().succeeds();
        assert!(daemon.runs(), "{}", daemon.log());
    }
}

ferrule_testkit::test! {
    /// Good answers with bytes changed at random, thousands of them: the daemon lives, and what it
    /// takes is a sound address.
    fn random_damage_is_survived(host) {
        let segment = Segment::new(host);
        let mut random = Random::seeded();
        let server = ScriptedServer::start(&segment, move |message, wire| {
            let Some(good) = good_answer(message, LEASED, 3600) else { return Vec::new() };
            let good = wire.frame(&good.option(3, &[10, 9, 0, 1]).encode());
            let mut frames = Vec::new();
            for _ in 0..300 {
                let mut frame = good.clone();
                for _ in 0..=random.below(6) {
                    // Beyond the fields by which a client knows its exchange.
                    let place = 282 + random.below(60);
                    frame[place] = u8::try_from(random.below(256)).unwrap();
                }
                if random.below(4) == 0 {
                    frame.truncate(60 + random.below(frame.len() - 60));
                }
                frames.push(frame);
            }
            frames.push(good);
            frames
        });
        let mut daemon = Daemon::start_with(host, "-timeout 1s -resendmax 2s -resendtimeout 4s");
        for number in 0..10 {
            let client = Client::new(&segment, &format!("c{number}"), &plain());
            let outcome = client.call.add();
            if outcome.status.success() {
                let address = crate::dhcp::client::address(&outcome.json());
                let address: Ipv4Addr = address.parse().unwrap();
                assert!(!address.is_unspecified() && !address.is_loopback() && !address.is_multicast(), "{outcome}");
            }
            client.call.del().succeeds();
        }
        assert!(daemon.runs(), "{}", daemon.log());
        assert!(server.count(DISCOVER) >= 10);
        wait_until("idle", 10, || ferrule_tests::dhcp::held_leases(host) == json!([]));
    }
}

ferrule_testkit::test! {
    /// A lease of a second, with times that make no sense, does not become a storm.
    fn silly_times_are_no_storm(host, case in ["short", "t1-zero", "t1-after-t2", "zero-times"]) {
        let segment = Segment::new(host);
        let server = ScriptedServer::start(&segment, move |message, wire| {
            let answer = good_answer(message, LEASED, if case_is_short(message) { 1 } else { 30 });
            let answer = answer.map(|reply| match kind_of_case(message) {
                1 => reply.option(58, &0_u32.to_be_bytes()),
                2 => reply.option(58, &29_u32.to_be_bytes()).option(59, &2_u32.to_be_bytes()),
                3 => reply.option(58, &[0]).option(59, &[]),
                _ => reply,
            });
            answer.map(|reply| wire.frame(&reply.encode())).into_iter().collect()
        });
        let mut daemon = Daemon::start(host);
        let name = match case {
            "short" => "short",
            "t1-zero" => "k1",
            "t1-after-t2" => "k2",
            _ => "k3",
        };
        let client = Client::new(&segment, name, &plain());
        client.attach();
        let before = server.heard().len();
        std::thread::sleep(Duration::from_secs(5));
        let sent = server.heard().len() - before;
        assert!(sent <= 20, "{sent} messages in five seconds");
        client.call.del().succeeds();
        assert!(daemon.runs());
    }
}

/// The case is told by the container's name, which the client identifier carries.
fn case_is_short(message: &Message) -> bool {
    message
        .option(61)
        .is_some_and(|id| id.starts_with(b"\0short"))
}

fn kind_of_case(message: &Message) -> u8 {
    match message.option(61) {
        Some([0, b'k', digit, ..]) => digit - b'0',
        _ => 0,
    }
}
