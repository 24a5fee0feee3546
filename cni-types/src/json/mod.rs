//! JSON by the rules of Go's decoder and encoder, which every CNI configuration in the field assumes.
//!
//! Reading: keys of typed objects match without regard to case, an exact one goes before another
//! spelling, the last of a repeated key wins, unknown keys are ignored, `null` leaves a field at its zero value, integers have no fraction,
//! invalid UTF-8 and lone surrogates become U+FFFD. containerd depends on the letter case, see
//! `portMappings`. Writing: four blanks of indentation, and `<`, `>`, `&` escaped.

mod decode;
mod lenient;
mod text;
mod value;
mod write;

pub use decode::DecodeError;
pub use text::read_value;
pub use value::JsonValue;
pub use write::{to_compact, to_pretty};
