//! The picture as SVG: a column for what containers are attached to, one for the attachments.

use super::picture::{Group, GroupKind, Member, Picture};
use crate::table::printable;

/// Measures, in pixels. Letters of a monospaced font of 12 pixels are 7.3 pixels wide.
const LETTER: usize = 8;
const LINE: usize = 16;
const PADDING: usize = 8;
const GAP: usize = 12;
/// The room between the columns, for the names of host ends.
const BETWEEN: usize = 180;

pub(super) fn text(picture: &Picture) -> String {
    let left = picture
        .groups
        .iter()
        .map(|group| width(&group_lines(group)))
        .max();
    let left = left.unwrap_or_default();
    let members = picture.groups.iter().flat_map(|group| &group.attachments);
    let right = members
        .map(|member| width(&member_lines(member)))
        .max()
        .unwrap_or_default();
    let x = GAP + left + BETWEEN;
    let mut body = String::new();
    let mut y = GAP;
    for group in &picture.groups {
        let top = y;
        let mut ends = Vec::new();
        for member in &group.attachments {
            let lines = member_lines(member);
            let class = if group.kind == GroupKind::Absent {
                "gone"
            } else {
                "container"
            };
            body += &rectangle(x, y, right, &lines, class);
            ends.push((y + height(&lines) / 2, member.host_end.clone(), class));
            y += height(&lines) + GAP;
        }
        for port in &group.other_ports {
            let lines = vec![port.clone()];
            body += &rectangle(x, y, right, &lines, "port");
            ends.push((y + height(&lines) / 2, String::new(), "port"));
            y += height(&lines) + GAP;
        }
        let lines = group_lines(group);
        let middle = (top + y - GAP).saturating_sub(height(&lines)) / 2;
        let at = middle.max(top);
        body += &rectangle(GAP, at, left, &lines, "hub");
        let from = (GAP + left, at + height(&lines) / 2);
        for (to, name, class) in ends {
            body += &edge(from, (x, to), &name, class);
        }
        y = y.max(at + height(&lines) + GAP) + GAP;
    }
    let (wide, high) = (x + right + GAP, y);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{wide}\" height=\"{high}\" \
         viewBox=\"0 0 {wide} {high}\" font-family=\"monospace\" font-size=\"12\">\n\
         <style>rect{{fill:#fff;stroke:#444}}.hub{{fill:#dce9f7}}.container{{fill:#e7f5e4}}\
         .gone{{fill:#f7e0de;stroke-dasharray:4}}.edge{{stroke:#444;fill:none}}</style>\n\
         <rect width=\"{wide}\" height=\"{high}\" style=\"stroke:none\"/>\n{body}</svg>\n"
    )
}

fn group_lines(group: &Group) -> Vec<String> {
    let mut lines = vec![group.title()];
    lines.extend(group.addresses.iter().cloned());
    lines.extend(
        [group.state.clone()]
            .into_iter()
            .filter(|state| state == "down"),
    );
    lines
}

fn member_lines(member: &Member) -> Vec<String> {
    let mut lines = vec![
        member.container(),
        format!("{}, network {}", member.ifname, member.network),
    ];
    lines.extend(member.addresses.iter().cloned());
    lines.extend(member.ports.iter().map(|port| format!("published {port}")));
    lines.extend(
        [member.state.clone()]
            .into_iter()
            .filter(|state| state != "up"),
    );
    lines
}

fn width(lines: &[String]) -> usize {
    let longest = lines.iter().map(|line| line.chars().count()).max();
    longest.unwrap_or_default() * LETTER + 2 * PADDING
}

fn height(lines: &[String]) -> usize {
    lines.len() * LINE + PADDING
}

fn rectangle(x: usize, y: usize, width: usize, lines: &[String], class: &str) -> String {
    let high = height(lines);
    let mut parts = vec![format!(
        "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{high}\" rx=\"4\"/>\n"
    )];
    for (number, line) in lines.iter().enumerate() {
        let (left, base) = (x + PADDING, y + LINE * (number + 1));
        parts.push(format!(
            "<text x=\"{left}\" y=\"{base}\">{}</text>\n",
            escaped(line)
        ));
    }
    parts.concat()
}

/// A line from a group to an attachment, with the name of the host end at its end.
fn edge(from: (usize, usize), to: (usize, usize), name: &str, class: &str) -> String {
    let turn = from.0 + GAP * 2;
    let dashes = if class == "gone" {
        " stroke-dasharray=\"4\""
    } else {
        ""
    };
    let line = format!(
        "<path class=\"edge\"{dashes} d=\"M{} {}H{turn}V{}H{}\"/>\n",
        from.0, from.1, to.1, to.0
    );
    if name.is_empty() {
        return line;
    }
    let (x, y) = (turn + PADDING, to.1.saturating_sub(4));
    format!("{line}<text x=\"{x}\" y=\"{y}\">{}</text>\n", escaped(name))
}

fn escaped(text: &str) -> String {
    printable(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
