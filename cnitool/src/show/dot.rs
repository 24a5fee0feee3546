//! The picture in the language of Graphviz.

use super::picture::{Group, GroupKind, Member, Picture};

pub(super) fn text(picture: &Picture) -> String {
    let mut lines = vec![
        "graph cni {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n  \
                    edge [fontname=\"sans-serif\"];\n"
            .to_owned(),
    ];
    let mut containers: Vec<(&str, Vec<(String, &Member)>)> = Vec::new();
    for (number, group) in picture.groups.iter().enumerate() {
        let hub = format!("group{number}");
        lines.push(format!(
            "  {hub} [label={}, style=bold];\n",
            quoted(&label(group))
        ));
        for (place, member) in group.attachments.iter().enumerate() {
            let node = format!("interface{number}_{place}");
            let style = match group.kind {
                GroupKind::Absent => ", style=dashed",
                _ => "",
            };
            lines.push(format!(
                "  {hub} -- {node} [label={}{style}];\n",
                quoted(&member.host_end)
            ));
            let id = member.container_id.as_str();
            match containers.iter_mut().find(|(other, _)| *other == id) {
                Some((_, nodes)) => nodes.push((node, member)),
                None => containers.push((id, vec![(node, member)])),
            }
        }
        for (place, port) in group.other_ports.iter().enumerate() {
            let node = format!("port{number}_{place}");
            lines.push(format!(
                "  {node} [label={}];\n  {hub} -- {node};\n",
                quoted(port)
            ));
        }
    }
    for (number, (_, nodes)) in containers.iter().enumerate() {
        let title = nodes
            .first()
            .map(|(_, member)| member.container())
            .unwrap_or_default();
        lines.push(format!(
            "  subgraph cluster{number} {{\n    label={};\n",
            quoted(&title)
        ));
        for (node, member) in nodes {
            lines.push(format!(
                "    {node} [label={}];\n",
                quoted(&interface(member))
            ));
        }
        lines.push("  }\n".to_owned());
    }
    lines.push("}\n".to_owned());
    lines.concat()
}

fn label(group: &Group) -> String {
    [vec![group.title()], group.addresses.clone()]
        .concat()
        .join("\n")
}

fn interface(member: &Member) -> String {
    let mut lines = vec![format!("{} ({})", member.ifname, member.network)];
    lines.extend(member.addresses.iter().cloned());
    lines.extend(member.ports.iter().cloned());
    lines.extend(
        [member.state.clone()]
            .into_iter()
            .filter(|state| state != "up"),
    );
    lines.join("\n")
}

/// A string of the language.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", text.replace('\n', "\\n"))
}
