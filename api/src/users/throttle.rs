//! How often logins may fail: for each user, and for each address.
//!
//! A login takes from both before it is tried, so that many at once are counted, and gives back if it succeeds. Both fill up again with
//! time: an attacker can slow a user's logins down, and not lock him out. A token lasts an hour; whoever has one is not slowed.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// For each user: ten at once, then two a minute.
const USER: Rate = Rate { burst: 10, every: Duration::from_secs(30) };
/// For each address, behind which may be an office: thirty at once, then twelve a minute.
const ADDRESS: Rate = Rate { burst: 30, every: Duration::from_secs(5) };
/// Of each kind that are remembered: 2 MB. Who invents users to have others forgotten meets his address's own limit.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

/// So many at once, then one after each `every`.
#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: u32,
    every: Duration,
}

/// Counts logins.
pub struct Throttle {
    users: Mutex<LruCache<[u8; 32], Instant>>,
    addresses: Mutex<LruCache<IpAddr, Instant>>,
}

/// A login that was counted.
#[derive(Debug)]
#[must_use]
pub struct Counted {
    user: [u8; 32],
    address: IpAddr,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { users: Mutex::new(LruCache::new(REMEMBERED)), addresses: Mutex::new(LruCache::new(REMEMBERED)) }
    }
}

impl Throttle {
    /// Counts a login that is about to be tried.
    ///
    /// # Errors
    /// How long to wait, if there were too many that failed.
    pub fn count(&self, user: &str, address: IpAddr) -> Result<Counted, Duration> {
        // of one length, and nothing to read; Cognito's names can be told apart by case or not
        let user: [u8; 32] = Sha256::digest(user.to_lowercase()).into();
        take(&mut lock(&self.addresses), address, ADDRESS)?;
        take(&mut lock(&self.users), user, USER)
            .inspect_err(|_| give(&mut lock(&self.addresses), &address, ADDRESS))?;
        Ok(Counted { user, address })
    }

    /// Gives back what a login took that did not fail by the caller's fault.
    pub fn forgive(&self, Counted { user, address }: Counted) {
        give(&mut lock(&self.users), &user, USER);
        give(&mut lock(&self.addresses), &address, ADDRESS);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is kept is when the bucket will be full again; it is empty if that is `burst` times `every` away.
fn take<K: Hash + Eq>(kept: &mut LruCache<K, Instant>, key: K, rate: Rate) -> Result<(), Duration> {
    let now = Instant::now();
    let full_at = kept.get(&key).copied().unwrap_or(now).max(now) + rate.every;
    let over = full_at.saturating_duration_since(now + rate.every * rate.burst);
    if !over.is_zero() {
        return Err(over);
    }
    kept.put(key, full_at);
    Ok(())
}

fn give<K: Hash + Eq>(kept: &mut LruCache<K, Instant>, key: &K, rate: Rate) {
    if let Some(full_at) = kept.get_mut(key)
        && let Some(earlier) = full_at.checked_sub(rate.every)
    {
        *full_at = earlier;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_has_ten_tries_and_then_two_a_minute_from_wherever() {
        let throttle = Throttle::default();
        for number in 0..10 {
            assert!(throttle.count("Name", address(number)).is_ok());
        }
        let wait = throttle.count("name", address(99)).expect_err("too many");
        assert_eq!(wait, Duration::from_secs(30));
        assert!(throttle.count("other", address(1)).is_ok());
        advance(wait).await;
        assert!(throttle.count("name", address(1)).is_ok());
        assert!(throttle.count("name", address(1)).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_thirty_tries_whoever_it_names() {
        let throttle = Throttle::default();
        for number in 0..30 {
            assert!(throttle.count(&format!("user {number}"), address(1)).is_ok());
        }
        assert!(throttle.count("another", address(1)).is_err());
        assert!(throttle.count("another", address(2)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_succeeds_is_not_counted() {
        let throttle = Throttle::default();
        for _ in 0..1_000 {
            let counted = throttle.count("name", address(1)).expect("not throttled");
            throttle.forgive(counted);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let throttle = Throttle::default();
        for number in 0..40_000_u32 {
            let [_, a, b, c] = number.to_be_bytes();
            let _ = throttle.count(&number.to_string(), IpAddr::from([10, a, b, c]));
        }
        assert_eq!(lock(&throttle.users).len(), REMEMBERED.get());
        assert_eq!(lock(&throttle.addresses).len(), REMEMBERED.get());
    }
}
