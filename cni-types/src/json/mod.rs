//! JSON by the rules of Go's decoder and encoder, which existing CNI configurations rely on.
//!
//! Decoding: keys match regardless of case, an exact key wins over another spelling, the last of a
//! repeated key wins, unknown keys are ignored, `null` is the zero value of a field, integers have
//! no fraction, invalid UTF-8 and lone surrogates become U+FFFD. containerd relies on the rule about
//! case, see `portMappings`. Encoding: indentation by four blanks; `<`, `>`, `&` are escaped.

mod decode;
mod lenient;
mod text;
mod value;
mod write;

pub use decode::DecodeError;
pub use text::read_value;
pub use value::JsonValue;
pub use write::{to_compact, to_pretty};
