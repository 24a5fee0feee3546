//! What the client sends, as the server sees it.

use std::net::Ipv4Addr;

use ferrule_tests::dhcp::message::{DISCOVER, RELEASE, REQUEST};
use ferrule_tests::dhcp::{Daemon, Message, ScriptedServer, Segment, good_answer, wait_until};
use serde_json::{Value, json};

use crate::dhcp::client::{Client, config, plain};

const LEASED: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 77);

/// A server that gives one address for an hour.
fn server(segment: &Segment) -> ScriptedServer {
    ScriptedServer::start(segment, |message, wire| {
        let answer =
            good_answer(message, LEASED, 3600).map(|reply| reply.option(3, &[10, 9, 0, 1]));
        answer
            .map(|reply| wire.frame(&reply.encode()))
            .into_iter()
            .collect()
    })
}

/// The messages of ADD with these keys and arguments, by type: DISCOVER and REQUEST.
#[track_caller]
fn sent(host: &ferrule_testkit::Host, keys: &Value, args: &str) -> [Message; 2] {
    let segment = Segment::new(host);
    let server = server(&segment);
    let _daemon = Daemon::start(host);
    let client = Client::new(&segment, "c1", &config("1.0.0", keys));
    client.call.clone().args(args).add().succeeds();
    let heard = server.heard();
    [DISCOVER, REQUEST].map(|kind| {
        let mut of_kind = heard.iter().filter(|message| message.kind() == kind);
        of_kind
            .next()
            .unwrap_or_else(|| panic!("no message of type {kind}: {heard:#?}"))
            .clone()
    })
}

ferrule_testkit::test! {
    /// Without configuration the messages are those of the Go plugin: option 55 asks for the router
    /// and the mask, and the client identifier is a zero byte and container, network and interface.
    fn defaults_are_those_of_the_go_plugin(host) {
        let [discover, request] = sent(host, &json!({}), "");
        for message in [&discover, &request] {
            assert_eq!(message.option(55), Some(&[3, 1][..]), "{message:#?}");
            assert_eq!(message.option(61), Some(&b"\0c1/net/eth0"[..]));
            assert_eq!(message.option(57), Some(&[5, 220][..]));
            assert_eq!(message.option(12), None);
            assert!(message.length >= 300);
            assert!(!message.broadcast);
            assert_eq!((message.source, message.destination), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST));
            assert_eq!((message.ciaddr, message.yiaddr), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED));
            assert_eq!(message.destination_mac, "ff:ff:ff:ff:ff:ff");
        }
        assert_eq!(discover.option(54), None);
        assert_eq!(request.option(54), Some(&[10, 9, 0, 1][..]));
        assert_eq!(request.option(50), Some(&LEASED.octets()[..]));
        assert_eq!(request.xid, discover.xid);
    }
}

ferrule_testkit::test! {
    /// Requested options stand before the default ones, by name or number, each once.
    fn requested_options_are_asked_for(host, case in ["more", "named", "skipped", "repeated"]) {
        let (request, expected): (Value, &[u8]) = match case {
            "more" => (json!([{ "option": "121" }, { "option": "6" }]), &[121, 6, 3, 1]),
            "named" => (json!([{ "option": "host-name" }, { "option": "26" }]), &[12, 26, 3, 1]),
            "skipped" => (json!([{ "option": "1", "skipDefault": true }]), &[1]),
            _ => (json!([{ "option": "routers" }, { "option": "15" }]), &[3, 15, 1]),
        };
        let [discover, request] = sent(host, &json!({ "request": request }), "");
        for message in [discover, request] {
            assert_eq!(message.option(55), Some(expected), "{message:#?}");
        }
    }
}

ferrule_testkit::test! {
    /// Provided options are sent as they are written, and arguments of the runtime go before them.
    fn provided_options_are_sent(host) {
        let keys = json!({ "provide": [
            { "option": "host-name", "value": "fallback", "fromArg": "K8S_POD_NAME" },
            { "option": "user-class", "value": "gold" },
            { "option": "60", "value": "ferrule" },
            { "option": "81", "fromArg": "NOT_GIVEN" },
        ]});
        let args = "IgnoreUnknown=1;K8S_POD_NAME=web-0;K8S_POD_NAMESPACE=a=b";
        let [discover, request] = sent(host, &keys, args);
        for message in [discover, request] {
            assert_eq!(message.option(12), Some(&b"web-0"[..]), "{message:#?}");
            assert_eq!(message.option(77), Some(&b"gold"[..]));
            assert_eq!(message.option(60), Some(&b"ferrule"[..]));
            assert_eq!(message.option(81), None);
            assert_eq!(message.option(55), Some(&[3, 1][..]));
        }
    }
}

ferrule_testkit::test! {
    /// A client identifier of the administrator's is in every message, the release as well.
    fn a_provided_client_identifier_is_used_throughout(host) {
        let segment = Segment::new(host);
        let server = server(&segment);
        let _daemon = Daemon::start(host);
        let keys = json!({ "provide": [{ "option": "dhcp-client-identifier", "value": "chosen" }] });
        let client = Client::new(&segment, "c1", &config("1.0.0", &keys));
        client.attach();
        client.call.del().succeeds();
        wait_until("released", 10, || server.count(RELEASE) > 0);
        for message in server.heard().iter() {
            assert_eq!(message.option(61), Some(&b"chosen"[..]), "{message:#?}");
        }
    }
}

ferrule_testkit::test! {
    /// The release comes from the leased address, to the server alone, and is sent once.
    fn the_release_is_unicast(host) {
        let segment = Segment::new(host);
        let server = server(&segment);
        let _daemon = Daemon::start(host);
        let client = Client::new(&segment, "c1", &plain());
        let leased = client.attach();
        client.call.del().succeeds();
        wait_until("released", 10, || server.count(RELEASE) > 0);
        let heard = server.heard();
        let releases: Vec<&Message> = heard.iter().filter(|message| message.kind() == RELEASE).collect();
        assert_eq!(releases.len(), 1, "{releases:#?}");
        let release = releases[0];
        assert_eq!(release.source.to_string(), leased);
        assert_eq!(release.ciaddr.to_string(), leased);
        assert_eq!(release.destination.to_string(), "10.9.0.1");
        assert_eq!(release.destination_mac, server.machine.link("eth0")["address"]);
        assert_eq!(release.option(54), Some(&[10, 9, 0, 1][..]));
        assert_eq!(release.option(61), Some(&b"\0c1/net/eth0"[..]));
        assert_eq!((release.option(50), release.option(55)), (None, None));
    }
}

ferrule_testkit::test! {
    /// `-broadcast` sets the flag in what is sent without an address.
    fn the_broadcast_flag_can_be_set(host, form in ["-broadcast", "--broadcast=true"]) {
        let segment = Segment::new(host);
        let server = server(&segment);
        let _daemon = Daemon::start_with(host, form);
        Client::new(&segment, "c1", &plain()).lease();
        let heard = server.heard();
        assert!(heard.len() >= 2 && heard.iter().all(|message| message.broadcast), "{heard:#?}");
    }
}

ferrule_testkit::test! {
    /// What cannot be sent is refused before anything is.
    fn wrong_options_are_refused(host, case in ["name", "number", "long", "long-argument"]) {
        let segment = Segment::new(host);
        let server = server(&segment);
        let _daemon = Daemon::start(host);
        let long = "x".repeat(256);
        let (keys, text) = match case {
            "name" => (json!({ "request": [{ "option": "router" }] }), "router"),
            "number" => (json!({ "request": [{ "option": "256" }] }), "256"),
            "long" => (json!({ "provide": [{ "option": "12", "value": long }] }), "255"),
            _ => (json!({ "provide": [{ "option": "12", "fromArg": "LONG" }] }), "255"),
        };
        let client = Client::new(&segment, "c1", &config("1.0.0", &keys));
        let call = client.call.clone().args(&format!("IgnoreUnknown=1;LONG={long}"));
        call.add().fails().mentions(text);
        call.del().succeeds();
        assert!(server.heard().is_empty());
    }
}
