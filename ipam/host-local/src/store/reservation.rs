//! The format of a reservation file: its name is the address, its content the attachment.
//!
//! The content is the container id, CR LF and the interface name, without a newline at the end.
//! Files of releases before 0.8.0 hold the id alone, and stand for every interface of the
//! container. Readers trim blanks on both ends.

use std::net::IpAddr;

use cni_types::address_text;

/// Between container id and interface name.
const SEPARATOR: &str = "\r\n";

/// The attachment that reserves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    container_id: String,
    ifname: String,
}

/// How a reservation relates to an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is the attachment's.
    Attachment,
    /// It is the container's, of a release that did not tell interfaces apart.
    Container,
    /// It belongs to another container.
    None,
}

impl Owner {
    /// The attachment of a request.
    pub(crate) fn new(container_id: &str, ifname: &str) -> Self {
        Self {
            container_id: container_id.trim().to_owned(),
            ifname: ifname.to_owned(),
        }
    }

    /// The container.
    pub(crate) fn container_id(&self) -> &str {
        &self.container_id
    }

    /// What its reservation files hold.
    pub(crate) fn content(&self) -> String {
        format!("{}{SEPARATOR}{}", self.container_id, self.ifname)
    }

    /// How a file with this content relates to the attachment.
    pub(crate) fn claim(&self, content: &str) -> Claim {
        let content = content.trim();
        // Trimmed as a whole, since a Go plugin would trim a blank at the end of the name as well.
        if content == self.content().trim() {
            Claim::Attachment
        } else if content == self.container_id {
            Claim::Container
        } else {
            Claim::None
        }
    }
}

/// The container that a file's content names.
pub(crate) fn container_of(content: &str) -> &str {
    let content = content.trim();
    content
        .split_once(SEPARATOR)
        .map_or(content, |(container_id, _)| container_id)
}

/// Container and interface that a file's content names; the latter is absent in old files.
///
/// A few builds before 0.8.0 separated the two by a bare line feed. Upstream never finds such
/// files again, so they are not released as somebody's, but collecting garbage must not take a
/// living container's address away for that reason.
pub(crate) fn attachment_of(content: &str) -> (&str, Option<&str>) {
    let mut lines = content.trim().lines();
    (lines.next().unwrap_or_default(), lines.next())
}

/// The address that a file of this name stands for, if any.
pub(crate) fn address_of(file_name: &str) -> Option<IpAddr> {
    file_name.parse().ok()
}

/// The name of an address's file: RFC 5952, IPv4-mapped addresses as IPv4.
///
/// Both implementations on a node must agree on this name, or they allocate an address twice.
pub(crate) fn file_name(address: IpAddr) -> String {
    address_text(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_id_cr_lf_interface() {
        assert_eq!(Owner::new("c1", "eth0").content(), "c1\r\neth0");
        assert_eq!(Owner::new(" c1\t", "eth0").content(), "c1\r\neth0");
    }

    #[test]
    fn claims_are_made_on_trimmed_content() {
        let owner = Owner::new("c1", "eth0");
        for (content, claim) in [
            ("c1\r\neth0", Claim::Attachment),
            (" c1\r\neth0\n", Claim::Attachment),
            ("c1", Claim::Container),
            ("\tc1\r\n", Claim::Container),
            ("c1\r\neth1", Claim::None),
            ("c1\neth0", Claim::None),
            ("c1\r\neth0\r\nmore", Claim::None),
            ("c11", Claim::None),
            ("c", Claim::None),
            ("", Claim::None),
        ] {
            assert_eq!(owner.claim(content), claim, "{content:?}");
        }
    }

    #[test]
    fn the_container_of_a_content_leads_to_every_claim_on_it() {
        let owner = Owner::new("c1", "eth0");
        for content in ["c1\r\neth0", "c1", " c1\r\neth0\n", "\nc1\n"] {
            assert_ne!(owner.claim(content), Claim::None);
            assert_eq!(container_of(content), "c1", "{content:?}");
        }
        assert_eq!(container_of("c1\neth0"), "c1\neth0");
    }

    #[test]
    fn attachments_are_told_by_old_files_too() {
        assert_eq!(attachment_of("c1\r\neth0"), ("c1", Some("eth0")));
        assert_eq!(attachment_of("c1\neth0"), ("c1", Some("eth0")));
        assert_eq!(attachment_of(" c1 "), ("c1", None));
        assert_eq!(attachment_of(""), ("", None));
    }

    #[test]
    fn names_have_the_one_spelling_of_rfc_5952() {
        for (address, name) in [
            ("10.1.2.2", "10.1.2.2"),
            ("2001:DB8:1:0:0:0:0:2", "2001:db8:1::2"),
            ("::1.2.3.4", "::102:304"),
            ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
            ("::ffff:10.1.2.3", "10.1.2.3"),
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ] {
            assert_eq!(file_name(address.parse().unwrap()), name);
        }
    }

    #[test]
    fn only_addresses_are_names_of_reservations() {
        for name in [
            "lock",
            "last_reserved_ip.0",
            "10.1.2",
            "10.1.2.03",
            "fe80::1%eth0",
            ".x",
            "",
        ] {
            assert_eq!(address_of(name), None, "{name}");
        }
        assert!(address_of("::1").is_some());
    }
}
