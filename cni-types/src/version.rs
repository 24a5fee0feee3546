//! Versions of the specification.

use std::fmt;
use std::str::FromStr;

/// A published version of the specification. Ordered by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpecVersion {
    /// 0.1.0, also meant by configurations that name no version.
    V0_1_0,
    /// 0.2.0: VERSION.
    V0_2_0,
    /// 0.3.0: lists, chaining, results with interfaces.
    V0_3_0,
    /// 0.3.1.
    V0_3_1,
    /// 0.4.0: CHECK.
    V0_4_0,
    /// 1.0.0: results without the IP version.
    V1_0_0,
    /// 1.1.0: GC and STATUS.
    V1_1_0,
}

/// Versions whose results have one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// 0.1.0 and 0.2.0: `ip4` and `ip6`.
    Legacy,
    /// 0.3.0 to 0.4.0: `ips` with the IP version.
    List,
    /// 1.0.0 and 1.1.0: `ips` without it.
    Current,
}

/// A text that is no version, or one that no specification defines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Not up to three numbers separated by dots.
    #[error("failed to parse version {0:?}: not up to three numbers separated by dots")]
    Malformed(String),
    /// Well formed, but never published.
    #[error("unsupported CNI version {0:?}: known versions are {known}", known = SpecVersion::listed(&SpecVersion::ALL))]
    Unknown(String),
}

impl SpecVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 7] = [
        Self::V0_1_0,
        Self::V0_2_0,
        Self::V0_3_0,
        Self::V0_3_1,
        Self::V0_4_0,
        Self::V1_0_0,
        Self::V1_1_0,
    ];

    /// The newest version.
    pub const LATEST: Self = Self::V1_1_0;

    /// The version as written in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// The shape of this version's results.
    pub const fn family(self) -> Family {
        match self {
            Self::V0_1_0 | Self::V0_2_0 => Family::Legacy,
            Self::V0_3_0 | Self::V0_3_1 | Self::V0_4_0 => Family::List,
            Self::V1_0_0 | Self::V1_1_0 => Family::Current,
        }
    }

    /// A list as error texts show it: `["0.1.0" "0.2.0"]`.
    pub fn listed(versions: &[Self]) -> String {
        let quoted: Vec<String> = versions.iter().map(|v| format!("\"{v}\"")).collect();
        format!("[{}]", quoted.join(" "))
    }
}

impl fmt::Display for SpecVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for SpecVersion {
    type Err = VersionError;

    /// Exact text only; the empty one means 0.1.0.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Ok(Self::V0_1_0);
        }
        Self::ALL
            .into_iter()
            .find(|v| v.as_str() == text)
            .ok_or_else(|| VersionError::Unknown(text.to_owned()))
    }
}

/// Major, minor and patch number of a version that need not be a published one.
///
/// The gates of CHECK, GC and STATUS and the choice among `cniVersions` compare these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleaseNumber(pub [i64; 3]);

impl From<SpecVersion> for ReleaseNumber {
    fn from(version: SpecVersion) -> Self {
        Self(match version {
            SpecVersion::V0_1_0 => [0, 1, 0],
            SpecVersion::V0_2_0 => [0, 2, 0],
            SpecVersion::V0_3_0 => [0, 3, 0],
            SpecVersion::V0_3_1 => [0, 3, 1],
            SpecVersion::V0_4_0 => [0, 4, 0],
            SpecVersion::V1_0_0 => [1, 0, 0],
            SpecVersion::V1_1_0 => [1, 1, 0],
        })
    }
}

impl FromStr for ReleaseNumber {
    type Err = VersionError;

    /// One to three decimal integers separated by dots, missing ones being 0; empty means 0.1.0.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Ok(Self([0, 1, 0]));
        }
        let malformed = || VersionError::Malformed(text.to_owned());
        let mut parts = text.split('.');
        let mut number = [0; 3];
        for (slot, part) in number.iter_mut().zip(&mut parts) {
            *slot = part.parse().map_err(|_| malformed())?;
        }
        if parts.next().is_some() {
            return Err(malformed());
        }
        Ok(Self(number))
    }
}

/// The reply to VERSION: one line with a newline at its end.
///
/// `cniVersion` is the newest version whatever the input says, as the Go library answers.
pub fn version_reply(supported: &[SpecVersion]) -> String {
    let supported: Vec<String> = supported.iter().map(|v| format!("\"{v}\"")).collect();
    format!(
        "{{\"cniVersion\":\"{}\",\"supportedVersions\":[{}]}}\n",
        SpecVersion::LATEST,
        supported.join(",")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_versions_are_matched_exactly() {
        for version in SpecVersion::ALL {
            assert_eq!(version.as_str().parse(), Ok(version));
        }
        assert_eq!("".parse(), Ok(SpecVersion::V0_1_0));
        for other in ["1.1", "01.1.0", "1.2.0", " 1.1.0", "v1.1.0"] {
            assert!(other.parse::<SpecVersion>().is_err(), "{other}");
        }
    }

    #[test]
    fn release_numbers_follow_the_loose_grammar() {
        let parse = |text: &str| text.parse::<ReleaseNumber>();
        assert_eq!(parse("1.1"), Ok(ReleaseNumber([1, 1, 0])));
        assert_eq!(parse("+1"), Ok(ReleaseNumber([1, 0, 0])));
        assert_eq!(parse("4.3.2"), Ok(ReleaseNumber([4, 3, 2])));
        for bad in [
            "0.",
            "..",
            "1.2.3.4",
            "a",
            "1.x",
            "1.2.3.",
            "99999999999999999999",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse("0.10.0").unwrap() > SpecVersion::V0_4_0.into());
    }

    #[test]
    fn the_reply_is_one_line() {
        assert_eq!(
            version_reply(&SpecVersion::ALL[5..]),
            "{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"1.0.0\",\"1.1.0\"]}\n"
        );
    }
}
