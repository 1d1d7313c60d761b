//! All containers, found by id or name.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use futures::future::join_all;
use uuid::Uuid;

use crate::config::Config;
use crate::container::{Container, Spec};
use crate::images::{self, Image, ImageError};

/// Addresses are of 127.64.0.0/10; Linux answers on all of the loopback network.
const LOWEST_ADDRESS: u32 = u32::from_be_bytes([127, 64, 0, 1]);
const HIGHEST_ADDRESS: u32 = u32::from_be_bytes([127, 127, 255, 254]);
/// How many are given out before they start again from the first.
const ADDRESSES: u32 = 0xffff;

/// Why a container was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Answered with 404, so that docker-py tells of a missing image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The name becomes a file's name.
    #[error("Invalid container name ({0}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")]
    Name(String),
    /// Another container has it.
    #[error("The container name \"/{0}\" is already in use")]
    Conflict(String),
}

/// The containers of one runner; clones share them.
#[derive(Debug, Clone)]
pub struct Registry {
    config: Arc<Config>,
    containers: Arc<Mutex<Vec<Arc<Container>>>>,
    first_address: u32,
    addresses_given: Arc<AtomicU32>,
}

/// Another runner on this machine begins elsewhere: two servers on one port must not meet.
fn first_address(directory: &Path) -> u32 {
    let mut hasher = DefaultHasher::new();
    directory.hash(&mut hasher);
    let choices = u64::from(HIGHEST_ADDRESS - LOWEST_ADDRESS - ADDRESSES);
    LOWEST_ADDRESS + u32::try_from(hasher.finish() % choices).expect("below 2^32")
}

impl Registry {
    pub(crate) fn new(config: Config) -> Self {
        let first_address = first_address(&config.directory);
        Self { config: Arc::new(config), containers: Arc::default(), first_address, addresses_given: Arc::default() }
    }

    /// # Errors
    /// See [`CreateError`].
    pub fn create(&self, name: Option<String>, spec: Spec) -> Result<Arc<Container>, CreateError> {
        let image = self.image(&spec.image)?;
        let id = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let name = name.unwrap_or_else(|| id[..12].to_owned());
        if !is_valid(&name) {
            return Err(CreateError::Name(name));
        }
        let mut containers = self.lock();
        if containers.iter().any(|other| other.name == name) {
            return Err(CreateError::Conflict(name));
        }
        let address = self.first_address + self.addresses_given.fetch_add(1, Ordering::Relaxed) % ADDRESSES;
        let container = Arc::new(Container::new(&self.config, id, name, spec, image, Ipv4Addr::from(address)));
        containers.push(Arc::clone(&container));
        Ok(container)
    }

    /// # Errors
    /// If the list does not know it.
    pub fn image(&self, reference: &str) -> Result<Image, ImageError> {
        images::find(&self.config.images, reference)
    }

    /// By name, id or the beginning of an id.
    #[must_use]
    pub fn find(&self, id_or_name: &str) -> Option<Arc<Container>> {
        let matches = |container: &&Arc<Container>| {
            container.name == id_or_name || (!id_or_name.is_empty() && container.id.starts_with(id_or_name))
        };
        self.lock().iter().find(matches).cloned()
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Container>> {
        self.lock().clone()
    }

    /// Forgets it; its log stays.
    pub fn remove(&self, container: &Arc<Container>) {
        self.lock().retain(|other| !Arc::ptr_eq(other, container));
    }

    /// Kills all that run and waits for each.
    pub async fn kill_all(&self) {
        let containers = self.all();
        join_all(containers.iter().map(|container| container.kill())).await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Container>>> {
        self.containers.lock().expect("nothing panics while it holds the list")
    }
}

/// Docker's own rule; it also keeps a name inside its directory.
fn is_valid(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|other| other.is_ascii_alphanumeric() || matches!(other, '_' | '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_leave_its_directory() {
        assert!(is_valid("ministack-ecs-0a1b2c3d-agent"));
        for name in ["", ".", "..", "../x", "a/b", ".hidden", "a b"] {
            assert!(!is_valid(name), "{name:?}");
        }
    }
}
