//! Conflicts between the ports of an ADD and existing mappings.

use cni_types::{Code, Error};
use ferrule_kernel::Family;
use ferrule_net::NetError;

use crate::config::Plan;
use crate::forwarding::Forwarding;
use crate::owner::{HolderState, OwnerState};
use crate::target::Target;

/// The ports that an ADD maps to one address of the container, each with its mapping as text.
#[derive(Clone, Debug)]
pub(crate) struct ClaimedPorts {
    pub(crate) family: Family,
    claims: Vec<(Forwarding, String)>,
}

impl ClaimedPorts {
    pub(crate) fn new(target: &Target, plan: &Plan) -> Self {
        let mappings = target.mappings(plan).into_iter();
        Self {
            family: target.family(),
            claims: mappings
                .map(|mapping| (Forwarding::of(&mapping, target), mapping.to_string()))
                .collect(),
        }
    }

    /// Each port once, with its mapping as text.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&Forwarding, &str)> {
        let claims = self.claims.iter().enumerate();
        claims
            .filter(|(place, (one, _))| {
                let mut before = self.claims.iter().take(*place);
                !before.any(|(other, _)| one.is_same_port(other))
            })
            .map(|(_, (forwarding, mapping))| (forwarding, mapping.as_str()))
    }

    /// Whether the mapping `theirs` must be removed: it is the attachment's own, or its container is
    /// gone and it would receive connections to the claimed ports.
    ///
    /// It is an error if a running container has the same port of the same addresses. If it has the
    /// port of one address of the host, and all addresses are claimed, it keeps that address. Two
    /// networks of one container may both map a port.
    pub(crate) fn must_evict(
        &self,
        owner_state: &OwnerState,
        theirs: &Forwarding,
    ) -> Result<bool, NetError> {
        let OwnerState::Other(holder) = owner_state else {
            return Ok(true);
        };
        // No conflict: whether the other container runs does not matter.
        if !self.overlap(theirs) {
            return Ok(false);
        }
        match holder.state() {
            HolderState::Dead => Ok(true),
            HolderState::Alive => {
                match self.claims.iter().find(|(one, _)| one.is_same_port(theirs)) {
                    Some((_, mapping)) => Err(conflict(mapping, &holder.container)),
                    None => Ok(false),
                }
            }
            HolderState::SameContainer | HolderState::Unknown => Ok(false),
        }
    }

    /// Whether one of these ports is claimed, for any protocol.
    pub(crate) fn has_any(&self, ports: &[u16]) -> bool {
        self.claims
            .iter()
            .any(|(one, _)| ports.contains(&one.host_port))
    }

    /// Whether some connections match both a claimed port and `theirs`.
    pub(crate) fn overlap(&self, theirs: &Forwarding) -> bool {
        self.claims.iter().any(|(one, _)| one.overlaps(theirs))
    }
}

/// The error of a port that a running container has.
pub(crate) fn conflict(mapping: &str, container: &str) -> NetError {
    let msg = format!("host port is taken: {mapping} conflicts with container {container}");
    let hint = "remove that container, or have the runtime send DEL or GC for it if it is gone";
    Error::new(Code::TryAgain, msg).details(hint).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(host_ip: &str) -> ClaimedPorts {
        let text = format!(
            r#"{{"runtimeConfig": {{"portMappings": [
                {{"hostPort": 80, "containerPort": 8080, "protocol": "tcp", "hostIP": "{host_ip}"}}]}}}}"#
        );
        let node = cni_types::json::JsonValue::read(text.as_bytes()).unwrap();
        let plan = Plan::new(&node.decode().unwrap()).unwrap();
        let address = "10.1.0.2/16".parse().unwrap();
        ClaimedPorts::new(&Target { address }, &plan)
    }

    fn theirs(only: Option<&str>, host_port: u16) -> Forwarding {
        Forwarding {
            transport: ferrule_netfilter::nft::Transport::Tcp,
            only: only.map(|text| text.parse().unwrap()),
            host_port,
            to: "10.1.0.9:80".parse().unwrap(),
        }
    }

    /// A holder with this path for its namespace.
    fn holder(container: &str, path: &str) -> OwnerState {
        let id = ferrule_net::AttachmentId {
            network: "net".into(),
            container_id: "us".into(),
            ifname: "eth0".into(),
        };
        let us = crate::owner::Owner {
            tag: id.tag(),
            id,
            traces: crate::liveness::Traces::default(),
        };
        let mut netns = crate::liveness::NetnsTrace::at("/proc/self/exe").unwrap();
        path.clone_into(&mut netns.path);
        let traces = crate::liveness::Traces {
            link: None,
            netns: Some(netns),
        };
        OwnerState::Other(us.holder(container, Some(&format!("tag{}", traces.text(200)))))
    }

    fn alive() -> OwnerState {
        holder("other", "/proc/self/exe")
    }

    #[test]
    fn the_dead_give_way_wherever_they_would_catch_something() {
        for (ours, only, expected) in [
            ("", None, true),
            ("", Some("192.0.2.1"), true),
            ("192.0.2.1", None, true),
            ("192.0.2.1", Some("192.0.2.1"), true),
            ("192.0.2.1", Some("192.0.2.2"), false),
        ] {
            for container in ["other", "us"] {
                let dead = holder(container, "/run/netns/no-such-container");
                let must_evict = claims(ours).must_evict(&dead, &theirs(only, 80));
                assert_eq!(must_evict.unwrap(), expected, "{ours:?} {only:?}");
                let elsewhere = claims("").must_evict(&dead, &theirs(None, 81));
                assert!(!elsewhere.unwrap());
            }
        }
    }

    #[test]
    fn the_living_keep_their_port_and_are_named() {
        let error = claims("")
            .must_evict(&alive(), &theirs(None, 80))
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("tcp port 80") && text.contains("container other"),
            "{text}"
        );
        let narrower = theirs(Some("192.0.2.1"), 80);
        assert!(!claims("").must_evict(&alive(), &narrower).unwrap());
        assert!(claims("192.0.2.1").must_evict(&alive(), &narrower).is_err());
        let same = holder("us", "/proc/self/exe");
        assert!(!claims("").must_evict(&same, &theirs(None, 80)).unwrap());
    }
}
