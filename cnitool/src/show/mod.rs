//! `cnitool show`: the attachments of the node as a picture.

mod dot;
mod picture;
mod svg;
mod tree;

use cni_types::json::to_pretty;
use libcni::cache::Cache;

use crate::arguments::Format;
use crate::error::CommandError;
use crate::node::{Host, known};
use crate::tell;
use picture::Picture;

/// The picture of a network's attachments, or of all; reports broken files of the cache.
pub(crate) fn text(network: Option<&str>, format: Format) -> Result<String, CommandError> {
    let host = Host::open().map_err(|error| CommandError::new(error.to_string()))?;
    let (mut attachments, faults) = known(&Cache::default(), &host.links);
    for fault in faults {
        tell(&format!("cnitool show: skipped {fault}\n"));
    }
    attachments.retain(|one| network.is_none_or(|name| one.entry.network == name));
    let picture = Picture::of(&host, &attachments);
    Ok(match format {
        Format::Text => tree::text(&picture),
        Format::Json => to_pretty(&picture) + "\n",
        Format::Dot => dot::text(&picture),
        Format::Svg => svg::text(&picture),
    })
}
