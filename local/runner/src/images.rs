//! Which program an image name stands for.
//!
//! The list is a JSON file:
//! ```json
//! {"lazaret/agent": {"argv": ["/…/lazaret-agent"], "env": {"LAZARET_SCRATCH_DIR": "{work}"}}}
//! ```
//! `env` holds what an image knows of its own file system: the paths in it. These win over the task definition's, since
//! a path inside a real image means nothing here. `{work}` is the container's scratch directory, `{address}` its loopback address.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

/// One image: a program with its first arguments.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// The program, an absolute path, and its arguments; the container's own command is appended.
    pub argv: Vec<String>,
    /// Variables that win over the container's.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// Why an image can't be run.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The list knows no such name.
    #[error("No such image: {0}")]
    Unknown(String),
    /// The list itself can't be used.
    #[error("image list {path}: {reason}")]
    List {
        /// The list's file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The image that `reference` names, whatever its registry's tag or digest.
///
/// # Errors
/// See [`ImageError`].
pub fn find(list: &Path, reference: &str) -> Result<Image, ImageError> {
    let broken = |reason: String| ImageError::List { path: list.display().to_string(), reason };
    let text = std::fs::read(list).map_err(|error| broken(error.to_string()))?;
    let mut images: BTreeMap<String, Image> =
        serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
    let name = repository(reference);
    let image = images.remove(name).ok_or_else(|| ImageError::Unknown(reference.to_owned()))?;
    if image.argv.is_empty() {
        return Err(broken(format!("`{name}` has an empty argv")));
    }
    Ok(image)
}

/// `lazaret/agent` of `lazaret/agent:local` and `lazaret/agent@sha256:…`. A colon before the last slash is a port.
fn repository(reference: &str) -> &str {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    let last_part = name.rfind('/').map_or(0, |slash| slash + 1);
    name[last_part..].find(':').map_or(name, |colon| &name[..last_part + colon])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_and_digest_are_no_part_of_the_name() {
        for (reference, name) in [
            ("lazaret/agent", "lazaret/agent"),
            ("lazaret/agent:local", "lazaret/agent"),
            ("lazaret/agent:local@sha256:00ff", "lazaret/agent"),
            ("registry:5000/lazaret/agent", "registry:5000/lazaret/agent"),
            ("registry:5000/agent:1", "registry:5000/agent"),
        ] {
            assert_eq!(repository(reference), name, "{reference}");
        }
    }
}
