//! Names that people give, and the folded form under which they are unique and looked up.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// The longest name, in characters.
pub const MAX_NAME_LENGTH: usize = 128;

/// A name as it was given: 1 to 128 ASCII letters, digits, `_`, `-`, `.`, space; first and last a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Name(String);

/// A name for comparing: lower case, and `-`, `_`, `.` and space are one and the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FoldedName(String);

impl Name {
    /// What is wrong with `text` as a name comes back as a sentence for the person who wrote it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        if text.is_empty() || text.len() > MAX_NAME_LENGTH {
            return Err("must be 1 to 128 characters long");
        }
        if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ')) {
            return Err("may hold ASCII letters, digits, '_', '-', '.' and spaces only");
        }
        if !edge(text.chars().next()) || !edge(text.chars().last()) {
            return Err("must begin and end with a letter or digit");
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn folded(&self) -> FoldedName {
        let fold = |c: char| match c {
            '-' | '_' | '.' | ' ' => '-',
            other => other.to_ascii_lowercase(),
        };
        FoldedName(self.0.chars().map(fold).collect())
    }
}

impl FoldedName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

described!(Name: {
    "type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH,
    "pattern": "^[A-Za-z0-9]([A-Za-z0-9_. -]*[A-Za-z0-9])?$",
});

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for FoldedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_differ_in_case_and_separators_only_are_the_same_name() {
        let folded = |text| Name::parse(text).unwrap().folded();
        assert_eq!(folded("Microsoft_Graph"), folded("microsoft-graph"));
        assert_eq!(folded("Microsoft Graph"), folded("MICROSOFT.GRAPH"));
        assert_ne!(folded("Microsoft_Graph"), folded("MicrosoftGraph"));
    }

    #[test]
    fn a_name_must_begin_and_end_with_a_letter_or_digit() {
        for bad in ["", "-a", "a_", " a", "a.", "ä", "a/b", "a#b", "a~b", &"a".repeat(129)] {
            assert!(Name::parse(bad).is_err(), "{bad:?} was taken");
        }
        for good in ["a", "7", "Pax8", "a b", "a--b", &"a".repeat(128)] {
            assert!(Name::parse(good).is_ok(), "{good:?} was refused");
        }
    }

    proptest! {
        #[test]
        fn folding_a_folded_name_changes_nothing(text in "[A-Za-z0-9][A-Za-z0-9_. -]{0,60}[A-Za-z0-9]") {
            let once = Name::parse(&text).unwrap().folded();
            let twice = Name::parse(once.as_str()).unwrap().folded();
            prop_assert_eq!(once, twice);
        }
    }
}
