//! The attachments that GC keeps.

use cni_types::{check_container_id, check_interface_name};
use libcni::{Attachment, Runtime};

use crate::arguments::Arguments;
use crate::container;
use crate::error::CommandError;

/// The attachments that `--keep` names: `CONTAINER/INTERFACE`, `CONTAINER`, or the path of a
/// namespace that `cnitool add` was given.
///
/// Without an interface it means all cached attachments of the container, and `ifname`.
pub(crate) fn attachments(
    arguments: &Arguments,
    runtime: &Runtime,
    ifname: &str,
) -> Result<Vec<Attachment>, CommandError> {
    let mut kept = Vec::new();
    for text in &arguments.keep {
        let (container_id, interface) = split(text)?;
        if let Some(ifname) = interface {
            kept.push(Attachment {
                container_id,
                ifname,
            });
            continue;
        }
        let remembered = runtime.cache().attachments(Some(&container_id));
        let remembered = remembered.map_err(|error| CommandError::new(error.to_string()))?;
        let of_network = remembered
            .into_iter()
            .filter(|e| e.network == arguments.network);
        kept.extend(of_network.map(|entry| entry.attachment));
        kept.push(Attachment {
            container_id,
            ifname: ifname.to_owned(),
        });
    }
    kept.sort_unstable();
    kept.dedup();
    Ok(kept)
}

/// Container and interface. An invalid value is an error, since GC removes what is not kept.
fn split(text: &str) -> Result<(String, Option<String>), CommandError> {
    let refused = |error: cni_types::Error| CommandError::new(format!("--keep {text}: {error}"));
    if text.starts_with('/') {
        let netns = container::absolute(text);
        let netns = netns.map_err(|error| CommandError::new(format!("--keep {text}: {error}")))?;
        return Ok((container::id(&netns), None));
    }
    let (container_id, interface) = match text.split_once('/') {
        Some((container_id, interface)) => (container_id, Some(interface)),
        None => (text, None),
    };
    check_container_id(container_id).map_err(refused)?;
    if let Some(interface) = interface {
        check_interface_name(interface).map_err(refused)?;
    }
    Ok((container_id.to_owned(), interface.map(ToOwned::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_interfaces_and_namespaces_are_told_apart() {
        let id = "cnitool-77383ca0a0715733ca6f".to_owned();
        assert_eq!(split("/var/run/netns//testing"), Ok((id, None)));
        assert_eq!(split("c1"), Ok(("c1".to_owned(), None)));
        assert_eq!(
            split("c1/net1"),
            Ok(("c1".to_owned(), Some("net1".to_owned())))
        );
        for bad in ["", "c1/", "c1/a/b", "c%1", "c1/1234567890123456"] {
            let text = split(bad).unwrap_err().sentence;
            assert!(text.starts_with(&format!("--keep {bad}: ")), "{text}");
        }
    }
}
