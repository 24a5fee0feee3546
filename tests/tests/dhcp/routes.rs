//! What the result says, for what the server says.

use std::net::Ipv4Addr;

use ferrule_testkit::Host;
use ferrule_tests::dhcp::{Daemon, Reply, ScriptedServer, Segment, good_answer};
use serde_json::{Value, json};

use crate::dhcp::client::{Client, config};

const LEASED: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 77);
const ROUTER: (u8, &[u8]) = (3, &[10, 9, 0, 1]);
/// 172.16.0.0/12 by 10.9.0.2, and 10.5.6.0/24 on the link.
const CLASSLESS: &[u8] = &[12, 172, 16, 10, 9, 0, 2, 24, 10, 5, 6, 0, 0, 0, 0];

/// The result of ADD where the server adds these options to its answers.
#[track_caller]
fn result(host: &Host, keys: &Value, options: &[(u8, &[u8])]) -> Value {
    let options: Vec<(u8, Vec<u8>)> = options
        .iter()
        .map(|(code, bytes)| (*code, bytes.to_vec()))
        .collect();
    let with = move |reply: Reply| {
        options
            .iter()
            .fold(reply, |reply, (code, bytes)| reply.option(*code, bytes))
    };
    let segment = Segment::new(host);
    let _server = ScriptedServer::start(&segment, move |message, wire| {
        let answer = good_answer(message, LEASED, 3600).map(&with);
        answer
            .map(|reply| wire.frame(&reply.encode()))
            .into_iter()
            .collect()
    });
    let _daemon = Daemon::start(host);
    Client::new(&segment, "c1", &config("1.0.0", keys)).add()
}

fn asking(codes: &[&str]) -> Value {
    let list: Vec<Value> = codes.iter().map(|code| json!({ "option": code })).collect();
    json!({ "request": list })
}

fn default_route() -> Value {
    json!({ "dst": "0.0.0.0/0", "gw": "10.9.0.1" })
}

ferrule_testkit::test! {
    /// The router is the gateway and has the default route; without one there is neither.
    fn the_router_has_the_default_route(host, case in ["router", "routers", "none", "torn"]) {
        let options: &[(u8, &[u8])] = match case {
            "router" => &[ROUTER],
            "routers" => &[(3, &[10, 9, 0, 1, 10, 9, 0, 2])],
            "none" => &[],
            _ => &[(3, &[10, 9, 0])],
        };
        let result = result(host, &json!({}), options);
        let expected = if matches!(case, "router" | "routers") {
            json!({ "cniVersion": "1.0.0",
                "ips": [{ "address": "10.9.0.77/24", "gateway": "10.9.0.1" }],
                "routes": [default_route()] })
        } else {
            json!({ "cniVersion": "1.0.0", "ips": [{ "address": "10.9.0.77/24" }] })
        };
        assert_eq!(result, expected);
    }
}

ferrule_testkit::test! {
    /// Classless routes stand for all others; those on the link have its scope.
    fn classless_routes_replace_others(host, code in ["121", "249"]) {
        let number: u8 = code.parse().unwrap();
        let by_class: &[u8] = &[192, 168, 5, 0, 10, 9, 0, 3];
        let result = result(host, &asking(&[code, "33"]), &[ROUTER, (33, by_class), (number, CLASSLESS)]);
        assert_eq!(result["routes"], json!([
            { "dst": "172.16.0.0/12", "gw": "10.9.0.2" },
            { "dst": "10.5.6.0/24", "gw": "0.0.0.0", "scope": 253 },
        ]));
        assert_eq!(result["ips"][0]["gateway"], "10.9.0.1");
    }
}

ferrule_testkit::test! {
    /// Classless routes that make no sense count as absent.
    fn torn_classless_routes_are_absent(host, case in ["length", "prefix", "empty"]) {
        let bytes: &[u8] = match case {
            "length" => &[24, 10, 5, 6, 10, 9],
            "prefix" => &[33, 10, 5, 6, 0, 0, 10, 9, 0, 2],
            _ => &[],
        };
        let result = result(host, &asking(&["121"]), &[ROUTER, (121, bytes)]);
        assert_eq!(result["routes"], json!([default_route()]));
    }
}

ferrule_testkit::test! {
    /// Routes by class get the prefix of their class, and the default route stands last.
    fn routes_by_class_have_its_prefix(host) {
        let bytes: &[u8] = &[
            10, 1, 0, 0, 10, 9, 0, 2, 172, 16, 0, 0, 10, 9, 0, 3, 192, 168, 5, 0, 10, 9, 0, 4, 1, 2,
        ];
        let result = result(host, &asking(&["33"]), &[ROUTER, (33, bytes)]);
        let dst = |entry: &Value| entry["dst"].as_str().unwrap().to_owned();
        let list: Vec<String> = result["routes"].as_array().unwrap().iter().map(dst).collect();
        assert_eq!(list.len(), 4, "{result}");
        assert!(list[0].ends_with("/8") && list[1].ends_with("/16") && list[2].ends_with("/24"), "{list:?}");
        assert_eq!(list[3], "0.0.0.0/0");
    }
}

ferrule_testkit::test! {
    /// What was not asked for does not come into the result.
    fn what_was_not_asked_for_is_left_out(host) {
        let options: [(u8, &[u8]); 8] = [
            ROUTER, (6, &[10, 9, 0, 1]), (15, b"evil.example"), (119, b"\x04evil\x07example\0"),
            (26, &[2, 64]), (33, &[192, 168, 5, 0, 10, 9, 0, 3]), (121, CLASSLESS), (12, b"evil"),
        ];
        let result = result(host, &json!({}), &options);
        assert_eq!(result, json!({
            "cniVersion": "1.0.0",
            "ips": [{ "address": "10.9.0.77/24", "gateway": "10.9.0.1" }],
            "routes": [default_route()],
        }));
    }
}

ferrule_testkit::test! {
    /// Name servers, domain and search list come into the result once they are requested.
    fn requested_name_servers_are_in_the_result(host) {
        let options: [(u8, &[u8]); 4] = [
            ROUTER, (6, &[10, 9, 0, 1, 10, 9, 0, 2]), (15, b"example.org"),
            (119, b"\x01a\x07example\x03org\0\x01b\xc0\x02"),
        ];
        let result = result(host, &asking(&["6", "15", "119"]), &options);
        assert_eq!(result["dns"], json!({
            "nameservers": ["10.9.0.1", "10.9.0.2"], "domain": "example.org",
            "search": ["a.example.org", "b.example.org"],
        }));
    }
}

ferrule_testkit::test! {
    /// `priority` is the metric of every route.
    fn priority_is_the_metric_of_each_route(host) {
        let mut keys = asking(&["33"]);
        keys["priority"] = json!(200);
        let result = result(host, &keys, &[ROUTER, (33, &[192, 168, 5, 0, 10, 9, 0, 3])]);
        let routes = result["routes"].as_array().unwrap();
        assert!(routes.len() == 2 && routes.iter().all(|route| route["priority"] == 200), "{result}");
    }
}

ferrule_testkit::test! {
    /// An answer without a mask is not an address.
    fn an_answer_without_a_mask_is_refused(host) {
        let segment = Segment::new(host);
        let server = ScriptedServer::start(&segment, move |message, wire| {
            let answer = good_answer(message, LEASED, 3600).map(|mut reply| {
                reply.options.truncate(9); // type and server
                reply.lasting(3600)
            });
            answer.map(|reply| wire.frame(&reply.encode())).into_iter().collect()
        });
        let _daemon = Daemon::start_with(host, "-timeout 1s -resendmax 2s -resendtimeout 5s");
        let client = Client::new(&segment, "c1", &config("1.0.0", &json!({})));
        client.call.add().fails().mentions("mask");
        assert!(!server.heard().is_empty());
    }
}
