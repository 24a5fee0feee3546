//! Input for `iptables-restore --noflush`: changes to tables, atomic per table.

use super::error::IptablesError;
use super::rule::{ListedRule, Rule};
use super::shell_words;

/// Changes to the tables of one address family.
///
/// The changes of a table take effect together or not at all; tables after one that failed are not
/// changed.
#[derive(Debug, Clone, Default)]
pub struct Restore {
    tables: Vec<TableChanges>,
}

/// The changes to one table.
#[derive(Debug, Clone)]
pub struct TableChanges {
    table: String,
    lines: Vec<String>,
}

impl Restore {
    /// No changes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The changes to a table. The input names the table even if nothing is added: the tool then
    /// fails if the kernel lacks the table.
    pub fn table(&mut self, name: &str) -> &mut TableChanges {
        let place = self.tables.iter().position(|changes| changes.table == name);
        let place = place.unwrap_or_else(|| {
            self.tables.push(TableChanges {
                table: name.to_owned(),
                lines: Vec::new(),
            });
            self.tables.len() - 1
        });
        #[expect(
            clippy::indexing_slicing,
            reason = "the place was found or made just now"
        )]
        &mut self.tables[place]
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// The tool's input, one change per line.
    pub(super) fn text(&self) -> Result<String, IptablesError> {
        let mut text = String::new();
        for changes in &self.tables {
            for line in [&format!("*{}", changes.table)]
                .into_iter()
                .chain(&changes.lines)
                .chain([&"COMMIT".to_owned()])
            {
                if line.contains(['\n', '\r', '\0']) {
                    return Err(IptablesError::LineBreak { line: line.clone() });
                }
                text.push_str(line);
                text.push('\n');
            }
        }
        Ok(text)
    }
}

impl TableChanges {
    /// Creates a chain, or empties it if it exists.
    pub fn new_chain(&mut self, name: &str) -> &mut Self {
        self.lines.push(format!(":{name} - [0:0]"));
        self
    }

    /// Creates a chain, which must not exist.
    pub fn create_chain(&mut self, name: &str) -> &mut Self {
        self.lines.push(shell_words::join(["-N", name]));
        self
    }

    /// Appends a rule.
    pub fn append(&mut self, chain: &str, rule: &Rule) -> &mut Self {
        self.rule("-A", chain, rule)
    }

    /// Inserts a rule before all others.
    pub fn insert(&mut self, chain: &str, rule: &Rule) -> &mut Self {
        self.rule("-I", chain, rule)
    }

    /// Inserts a rule after the first `place` rules.
    pub fn insert_at(&mut self, chain: &str, place: usize, rule: &Rule) -> &mut Self {
        let words = rule.as_words().iter().map(String::as_str);
        let number = (place + 1).to_string();
        let start = ["-I", chain, &number];
        self.lines
            .push(shell_words::join(start.into_iter().chain(words)));
        self
    }

    /// Deletes a rule, which must exist.
    pub fn delete(&mut self, chain: &str, rule: &Rule) -> &mut Self {
        self.rule("-D", chain, rule)
    }

    /// Deletes a rule as it was listed.
    pub fn delete_listed(&mut self, listed: &ListedRule) -> &mut Self {
        self.delete(&listed.chain, &listed.rule)
    }

    /// Deletes all rules of a chain.
    pub fn flush(&mut self, chain: &str) -> &mut Self {
        self.lines.push(shell_words::join(["-F", chain]));
        self
    }

    /// Deletes a chain, which must be empty and referenced by no rule.
    pub fn delete_chain(&mut self, chain: &str) -> &mut Self {
        self.lines.push(shell_words::join(["-X", chain]));
        self
    }

    fn rule(&mut self, verb: &str, chain: &str, rule: &Rule) -> &mut Self {
        let words = rule.as_words().iter().map(String::as_str);
        self.lines
            .push(shell_words::join([verb, chain].into_iter().chain(words)));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_lines_between_the_table_and_commit() {
        let mut restore = Restore::new();
        restore.table("filter");
        let rule = Rule::new().comment("it's \"mine\"").jump("ACCEPT");
        restore
            .table("nat")
            .new_chain("X")
            .append("X", &rule)
            .insert("X", &Rule::new())
            .insert_at("X", 2, &Rule::new());
        restore
            .table("nat")
            .create_chain("Z")
            .delete("Y", &rule)
            .flush("Y")
            .delete_chain("Y");
        assert_eq!(
            restore.text().unwrap(),
            concat!(
                "*filter\nCOMMIT\n*nat\n:X - [0:0]\n",
                r#"-A X -m comment --comment "it\'s \"mine\"" -j ACCEPT"#,
                "\n-I X\n-I X 3\n-N Z\n",
                r#"-D Y -m comment --comment "it\'s \"mine\"" -j ACCEPT"#,
                "\n-F Y\n-X Y\nCOMMIT\n"
            )
        );
    }

    #[test]
    fn a_word_cannot_smuggle_in_another_line() {
        let mut restore = Restore::new();
        restore
            .table("nat")
            .append("X", &Rule::new().comment("a\n-F OUTPUT"));
        assert!(matches!(
            restore.text(),
            Err(IptablesError::LineBreak { .. })
        ));
    }
}
