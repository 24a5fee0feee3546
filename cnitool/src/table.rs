//! Columns of text.

/// Rows whose columns line up. Columns without any value are left out.
pub(crate) struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(heads: &[impl ToString]) -> Self {
        Self {
            heads: heads.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, values: Vec<String>) {
        let values = values.into_iter().map(|value| printable(&value));
        self.rows.push(values.collect());
    }

    /// The text, two blanks between columns; nothing at all without rows.
    pub(crate) fn text(&self) -> String {
        let width = |column: usize| {
            let values = self.rows.iter().filter_map(|row| row.get(column));
            values.map(|value| value.chars().count()).max().unwrap_or(0)
        };
        let columns: Vec<(usize, usize)> = self
            .heads
            .iter()
            .enumerate()
            .map(|(column, head)| (column, width(column), head.len()))
            .filter(|(_, values, _)| *values > 0)
            .map(|(column, values, head)| (column, values.max(head)))
            .collect();
        let line = |values: Vec<&str>| {
            let cells = columns.iter().map(|(column, width)| {
                let value = values.get(*column).copied().unwrap_or_default();
                format!("{value:width$}")
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            format!("{}\n", line.trim_end())
        };
        if columns.is_empty() {
            return String::new();
        }
        let rows = self
            .rows
            .iter()
            .map(|row| line(row.iter().map(String::as_str).collect()));
        line(self.heads.iter().map(String::as_str).collect()) + &rows.collect::<String>()
    }
}

/// The text with a mark in place of each control character, which a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    let mark = |one: char| {
        if one.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            one
        }
    };
    text.chars().map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_empty_ones_are_left_out() {
        let mut table = Table::new(&["A", "LONG", "C", "D"]);
        assert_eq!(table.text(), "");
        table.row(vec!["1".into(), "x".into(), String::new(), String::new()]);
        table.row(vec![
            "äöü".into(),
            String::new(),
            String::new(),
            "end".into(),
        ]);
        assert_eq!(table.text(), "A    LONG  D\n1    x\näöü        end\n");
        assert_eq!(printable("a\u{1b}[2J\n"), "a\u{fffd}[2J\u{fffd}");
    }
}
