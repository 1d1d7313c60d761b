//! Variables by name: text, paths, numbers, seconds.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A variable that is missing or can't be what was meant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{0} is not set")]
    Missing(&'static str),
    #[error("{name}: {why}")]
    Bad { name: &'static str, why: String },
}

impl ConfigError {
    pub(super) fn bad(name: &'static str, why: impl Display) -> Self {
        Self::Bad { name, why: why.to_string() }
    }
}

/// The environment. A variable that is empty is not set.
pub struct Variables<'a>(pub &'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    pub fn text(&self, name: &'static str) -> Result<String, ConfigError> {
        (self.0)(name).filter(|value| !value.is_empty()).ok_or(ConfigError::Missing(name))
    }

    pub fn path(&self, name: &'static str) -> Result<PathBuf, ConfigError> {
        self.text(name).map(PathBuf::from)
    }

    /// A number that is at least `least`.
    pub fn number<T: Number>(&self, name: &'static str, least: T) -> Result<T, ConfigError> {
        let number: T = self.text(name)?.parse().map_err(|error| ConfigError::bad(name, error))?;
        if number < least { Err(ConfigError::bad(name, format!("{number} is below {least}"))) } else { Ok(number) }
    }

    pub fn number_or<T: Number>(&self, name: &'static str, default: T, least: T) -> Result<T, ConfigError> {
        if self.text(name).is_err() { Ok(default) } else { self.number(name, least) }
    }

    pub fn seconds(&self, name: &'static str, least: u64) -> Result<Duration, ConfigError> {
        self.number(name, least).map(Duration::from_secs)
    }

    /// What stands between commas; nothing if the variable is not set.
    pub fn list(&self, name: &'static str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }
}

pub trait Number: FromStr<Err: Display> + PartialOrd + Display {}

impl<T: FromStr<Err: Display> + PartialOrd + Display> Number for T {}
