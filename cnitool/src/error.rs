//! The error of a command.

use cni_types::Error;
use libcni::RuntimeError;

/// A sentence about the error, and further ones with hints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandError {
    /// Standard output despite the error.
    pub(crate) output: String,
    pub(crate) sentence: String,
    pub(crate) notes: Vec<String>,
}

impl CommandError {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self {
            output: String::new(),
            sentence: sentence.into(),
            notes: Vec::new(),
        }
    }

    /// Adds a sentence.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Puts what the error is about in front of it.
    pub(crate) fn about(mut self, what: &str) -> Self {
        self.sentence = format!("{what}: {}", self.sentence);
        self
    }

    /// All sentences, each on a line after the command's name.
    pub(crate) fn text(&self, command: &str) -> String {
        let sentences = self
            .sentence
            .lines()
            .chain(self.notes.iter().map(String::as_str));
        let line = |sentence| format!("cnitool {command}: {sentence}\n");
        sentences.map(line).collect::<Vec<_>>().concat()
    }
}

impl From<RuntimeError> for CommandError {
    fn from(error: RuntimeError) -> Self {
        Self::from(&error)
    }
}

impl From<&RuntimeError> for CommandError {
    fn from(error: &RuntimeError) -> Self {
        Self::new(sentence(error))
    }
}

/// The failing plugin first, then its message, then its details.
fn sentence(error: &RuntimeError) -> String {
    match error {
        RuntimeError::Plugin { kind, error, .. } => {
            format!(
                "plugin {kind} failed: {}{}",
                one_line(error),
                code(error.code)
            )
        }
        RuntimeError::Stale { attachment, error } => format!(
            "interface {} of container {} is stale and could not be taken away: {}",
            attachment.ifname,
            attachment.container_id,
            sentence(error)
        ),
        RuntimeError::Several(errors) => {
            let sentences: Vec<String> = errors.iter().map(sentence).collect();
            sentences.join("\n")
        }
        other => other.to_string(),
    }
}

fn one_line(error: &Error) -> String {
    error.to_string().trim_end().replace('\n', "; ")
}

/// The code, with its meaning where the protocol defines one.
fn code(code: u32) -> String {
    match code {
        0 | 999 => String::new(),
        11 => " (code 11: try again later)".to_owned(),
        50 => " (code 50: no container can be added now)".to_owned(),
        51 => {
            " (code 51: no container can be added now, and running ones may be cut off)".to_owned()
        }
        other => format!(" (code {other})"),
    }
}

#[cfg(test)]
mod tests {
    use cni_types::{Code, Command};
    use libcni::Attachment;

    use super::*;

    fn plugin(error: Error) -> RuntimeError {
        RuntimeError::Plugin {
            verb: Command::Add,
            kind: "bridge".to_owned(),
            name: String::new(),
            error,
        }
    }

    #[test]
    fn the_plugin_its_message_and_its_details_make_a_sentence() {
        let error = Error::internal("no free address\nin range").details("enlarge it");
        let failure = CommandError::from(plugin(error)).note("so what");
        assert_eq!(
            failure.text("add"),
            "cnitool add: plugin bridge failed: no free address; in range; enlarge it\n\
             cnitool add: so what\n"
        );
        let busy = plugin(Error::new(Code::TryAgain, "busy"));
        assert_eq!(
            CommandError::from(busy).sentence,
            "plugin bridge failed: busy (code 11: try again later)"
        );
    }

    #[test]
    fn each_of_several_failures_has_its_line() {
        let stale = RuntimeError::Stale {
            attachment: Attachment {
                container_id: "c1".to_owned(),
                ifname: "eth0".to_owned(),
            },
            error: Box::new(plugin(Error::internal("a"))),
        };
        let both = RuntimeError::Several(vec![stale, plugin(Error::internal("b"))]);
        assert_eq!(
            CommandError::from(both).text("gc"),
            "cnitool gc: interface eth0 of container c1 is stale and could not be taken away: plugin bridge failed: a\n\
             cnitool gc: plugin bridge failed: b\n"
        );
    }
}
