//! Which ports an ADD claims, and what becomes of whoever has them.

use ferrule_kernel::Family;

use crate::config::Settings;
use crate::error::PortmapError;
use crate::forwarding::Forwarding;
use crate::owner::Standing;
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
    /// it for one address of the host beside a claim to all of them keeps that address.
    pub(crate) fn gives_way(
        &self,
        standing: Standing,
        theirs: &Forwarding,
    ) -> Result<bool, PortmapError> {
        let claim = |same: fn(&Forwarding, &Forwarding) -> bool| {
            self.claims.iter().find(|(one, _)| same(one, theirs))
        };
        match standing {
            Standing::Own => Ok(true),
            Standing::Dead => Ok(claim(Forwarding::overlaps).is_some()),
            Standing::Alive(container) => match claim(Forwarding::is_same_port) {
                Some((_, mapping)) => Err(PortmapError::Conflict {
                    mapping: mapping.clone(),
                    container,
                }),
                None => Ok(false),
            },
            Standing::Unknown(_) => Ok(false),
        }
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
        let node = cni_types::json::Node::read(text.as_bytes()).unwrap();
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

    fn alive() -> Standing {
        Standing::Alive("other".to_owned())
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
            let gives_way = claims(ours).gives_way(Standing::Dead, &theirs(only, 80));
            assert_eq!(gives_way.unwrap(), expected, "{ours:?} {only:?}");
        }
        let elsewhere = claims("").gives_way(Standing::Dead, &theirs(None, 81));
        assert!(!elsewhere.unwrap());
    }

    #[test]
    fn the_living_keep_their_port_and_are_named() {
        let error = claims("")
            .gives_way(alive(), &theirs(None, 80))
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("tcp port 80") && text.contains("container other"),
            "{text}"
        );
        let narrower = theirs(Some("192.0.2.1"), 80);
        assert!(!claims("").gives_way(alive(), &narrower).unwrap());
        assert!(claims("192.0.2.1").gives_way(alive(), &narrower).is_err());
        let unknown = Standing::Unknown("other".to_owned());
        assert!(!claims("").gives_way(unknown, &theirs(None, 80)).unwrap());
    }
}
