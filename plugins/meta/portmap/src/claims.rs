//! Which ports an ADD claims, and what becomes of whoever has them.

use ferrule_kernel::Family;

use crate::config::Settings;
use crate::error::PortmapError;
use crate::forwarding::Forwarding;
use crate::owner::{HolderState, Standing};
use crate::plan::Target;

/// What is to be forwarded to one address of the container, each with its mapping in words.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    pub(crate) family: Family,
    claims: Vec<(Forwarding, String)>,
}

impl Claims {
    pub(crate) fn new(target: &Target, settings: &Settings) -> Self {
        let mappings = target.mappings(settings).into_iter();
        Self {
            family: target.family(),
            claims: mappings
                .map(|mapping| (Forwarding::of(&mapping, target), mapping.to_string()))
                .collect(),
        }
    }

    /// Each claim once, with its mapping in words.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&Forwarding, &str)> {
        let claims = self.claims.iter().enumerate();
        claims
            .filter(|(place, (one, _))| {
                let mut before = self.claims.iter().take(*place);
                !before.any(|(other, _)| one.is_same_port(other))
            })
            .map(|(_, (forwarding, mapping))| (forwarding, mapping.as_str()))
    }

    /// Whether what forwards `theirs` has to go: because it is the container's own, or because
    /// its container is dead and it would get connections that are claimed now.
    ///
    /// A living container that has the very port of the very addresses is an error. One that has
    /// it for one address of the host beside a claim to all of them keeps that address. By another
    /// network of the same container both may have it.
    pub(crate) fn gives_way(
        &self,
        standing: &Standing,
        theirs: &Forwarding,
    ) -> Result<bool, PortmapError> {
        let Standing::Other(holder) = standing else {
            return Ok(true);
        };
        // Whether the others are alive does not matter.
        if !self.overlap(theirs) {
            return Ok(false);
        }
        match holder.state() {
            HolderState::Dead => Ok(true),
            HolderState::Alive => {
                match self.claims.iter().find(|(one, _)| one.is_same_port(theirs)) {
                    Some((_, mapping)) => Err(PortmapError::Conflict {
                        mapping: mapping.clone(),
                        container: holder.container.clone(),
                    }),
                    None => Ok(false),
                }
            }
            HolderState::SameContainer | HolderState::Unknown => Ok(false),
        }
    }

    /// Whether one of these ports is claimed, by whatever protocol.
    pub(crate) fn has_any(&self, ports: &[u16]) -> bool {
        self.claims
            .iter()
            .any(|(one, _)| ports.contains(&one.host_port))
    }

    /// Whether there are connections that are claimed and that `theirs` is about.
    pub(crate) fn overlap(&self, theirs: &Forwarding) -> bool {
        self.claims.iter().any(|(one, _)| one.overlaps(theirs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(host_ip: &str) -> Claims {
        let text = format!(
            r#"{{"runtimeConfig": {{"portMappings": [
                {{"hostPort": 80, "containerPort": 8080, "protocol": "tcp", "hostIP": "{host_ip}"}}]}}}}"#
        );
        let node = cni_types::json::JsonValue::read(text.as_bytes()).unwrap();
        let settings = Settings::new(&node.decode().unwrap()).unwrap();
        let address = "10.1.0.2/16".parse().unwrap();
        Claims::new(&Target { address }, &settings)
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
    fn holder(container: &str, path: &str) -> Standing {
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
        Standing::Other(us.holder(container, Some(&format!("tag{}", traces.text(200)))))
    }

    fn alive() -> Standing {
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
                let gives_way = claims(ours).gives_way(&dead, &theirs(only, 80));
                assert_eq!(gives_way.unwrap(), expected, "{ours:?} {only:?}");
                let elsewhere = claims("").gives_way(&dead, &theirs(None, 81));
                assert!(!elsewhere.unwrap());
            }
        }
    }

    #[test]
    fn the_living_keep_their_port_and_are_named() {
        let error = claims("")
            .gives_way(&alive(), &theirs(None, 80))
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("tcp port 80") && text.contains("container other"),
            "{text}"
        );
        let narrower = theirs(Some("192.0.2.1"), 80);
        assert!(!claims("").gives_way(&alive(), &narrower).unwrap());
        assert!(claims("192.0.2.1").gives_way(&alive(), &narrower).is_err());
        let same = holder("us", "/proc/self/exe");
        assert!(!claims("").gives_way(&same, &theirs(None, 80)).unwrap());
    }
}
