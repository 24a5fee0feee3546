//! Registers, in which expressions of a rule pass values on.

/// A register: sixteen words of four bytes, of which a value takes as many as it needs.
///
/// The kernel numbers them twice (`enum nft_registers` of `linux/netfilter/nf_tables.h`): the
/// words from 8 on, and every fourth word from 1 on under an older number. Its replies have the
/// older number where there is one, and so does this type, which keeps rules comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register(u32);

/// The number of the first word under the newer numbering (`NFT_REG32_00`).
const FIRST_WORD: u32 = 8;

impl Register {
    /// The verdict register.
    pub const VERDICT: Self = Self(0);

    /// The register that begins at a word, from 0.
    pub const fn word(position: u32) -> Self {
        if position.is_multiple_of(4) {
            Self(position / 4 + 1)
        } else {
            Self(position + FIRST_WORD)
        }
    }

    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    pub(crate) const fn from_number(number: u32) -> Self {
        if number < FIRST_WORD {
            Self(number)
        } else {
            Self::word(number - FIRST_WORD)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fourth_word_has_its_older_number() {
        let numbers = [0, 1, 3, 4, 5, 8].map(|position| Register::word(position).number());
        assert_eq!(numbers, [1, 9, 11, 2, 13, 3]);
    }

    #[test]
    fn both_numberings_mean_one_register() {
        assert_eq!(Register::from_number(8), Register::word(0));
        assert_eq!(Register::from_number(12), Register::word(4));
        assert_eq!(Register::from_number(9), Register::word(1));
        assert_eq!(Register::from_number(0), Register::VERDICT);
    }
}
