//! Versions of Cassandra the test bed can run, and what differs between their families.

use std::fmt;
use std::str::FromStr;

use super::error::Error;

/// A release of Apache Cassandra as Maven Central names it, such as `5.0.6`.
///
/// Parsing accepts a whole version or a family (`5.0`, `4.1`, `4.0`), which stands for the release of it that is known to work.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CassandraVersion {
    text: String,
    family: Family,
}

/// Releases that share configuration keys and start-up flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Family {
    /// 4.0.x: sizes and durations carry their unit in the key's name.
    V4_0,
    /// 4.1.x: sizes and durations carry their unit in the value.
    V4_1,
    /// 5.0.x and later.
    V5_0,
}

impl CassandraVersion {
    /// The version's text, such as `5.0.6`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The family the version belongs to.
    pub fn family(&self) -> Family {
        self.family
    }
}

impl Default for CassandraVersion {
    fn default() -> Self {
        Self {
            text: KNOWN_GOOD[0].1.to_owned(),
            family: Family::V5_0,
        }
    }
}

impl FromStr for CassandraVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = KNOWN_GOOD
            .iter()
            .find(|(family, _)| *family == text)
            .map_or(text, |(_, version)| version);
        let family = match text.split_once('.') {
            Some(("4", rest)) if rest.starts_with("0.") => Family::V4_0,
            Some(("4", rest)) if rest.starts_with("1.") => Family::V4_1,
            Some(("5", rest)) if rest.starts_with(|c: char| c.is_ascii_digit()) => Family::V5_0,
            _ => {
                return Err(Error::UnsupportedVersion {
                    version: text.to_owned(),
                });
            }
        };
        // The version becomes part of paths and of a Maven project file.
        if !text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
        {
            return Err(Error::UnsupportedVersion {
                version: text.to_owned(),
            });
        }
        Ok(Self {
            text: text.to_owned(),
            family,
        })
    }
}

impl fmt::Display for CassandraVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The release each family name stands for; the first is the default.
const KNOWN_GOOD: [(&str, &str); 3] = [("5.0", "5.0.6"), ("4.1", "4.1.10"), ("4.0", "4.0.19")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_name_stands_for_its_known_good_release() {
        for (family, version) in KNOWN_GOOD {
            assert_eq!(family.parse::<CassandraVersion>().unwrap().as_str(), version);
        }
        assert_eq!(CassandraVersion::default().as_str(), "5.0.6");
    }

    #[test]
    fn versions_without_support_are_refused_by_name() {
        for version in [
            "3.11.19",
            "2.1",
            "six",
            "",
            "5",
            "4.2.0",
            "5.0.6/../x",
            "5.0.6<a>",
        ] {
            let error = version.parse::<CassandraVersion>().unwrap_err();
            assert!(
                matches!(error, Error::UnsupportedVersion { version: v } if v == version),
                "{version}"
            );
        }
    }

    #[test]
    fn other_releases_keep_their_text_and_find_their_family() {
        let version: CassandraVersion = "4.1.7".parse().unwrap();
        assert_eq!((version.as_str(), version.family()), ("4.1.7", Family::V4_1));
        assert_eq!(
            "5.0-rc2".parse::<CassandraVersion>().unwrap().family(),
            Family::V5_0
        );
    }
}
