//! The picture as a tree of text.

use super::picture::{Group, Member, Picture};
use crate::table::printable;

pub(super) fn text(picture: &Picture) -> String {
    if picture.groups.is_empty() {
        return "no attachment is known\n".to_owned();
    }
    let groups = picture.groups.iter().map(group);
    groups.collect::<Vec<_>>().join("\n")
}

fn group(group: &Group) -> String {
    let mut words = vec![group.title()];
    words.extend(group.addresses.iter().cloned());
    words.extend(
        [group.state.clone()]
            .into_iter()
            .filter(|state| state == "down"),
    );
    if group.mtu > 0 {
        words.push(format!("mtu {}", group.mtu));
    }
    let mut text = words.join("  ") + "\n";
    let mut branches: Vec<Vec<String>> = group.attachments.iter().map(member).collect();
    branches.extend(
        group
            .other_ports
            .iter()
            .map(|port| vec![format!("{port} (no attachment)")]),
    );
    let count = branches.len();
    for (number, lines) in branches.into_iter().enumerate() {
        let (first, rest) = if number + 1 == count {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        for (line, content) in lines.iter().enumerate() {
            text += if line == 0 { first } else { rest };
            text += &printable(content);
            text.push('\n');
        }
    }
    text
}

/// The lines of one attachment.
fn member(member: &Member) -> Vec<String> {
    let mut first = format!("{} of {}", member.ifname, member.container());
    if !member.host_end.is_empty() {
        first = format!("{} ── {first}", member.host_end);
    }
    if !member.kind.is_empty() && member.kind != "veth" {
        first = format!("{first}, {}", member.kind);
    }
    first = format!("{first}, network {}", member.network);
    if member.state != "up" {
        first = format!("{first}  [{}]", member.state);
    }
    let mut lines = vec![first];
    if !member.addresses.is_empty() {
        lines.push(format!("   {}", member.addresses.join("  ")));
    }
    if !member.ports.is_empty() {
        lines.push(format!("   published {}", member.ports.join("  ")));
    }
    lines
}
