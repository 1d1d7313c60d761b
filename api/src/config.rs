//! What the server is told by its environment.
//!
//! The engine, its definitions and the owner's rules are told by the same variables as an agent's (`lazaret_agent::config`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use lazaret_agent::config::read::{ConfigError, Variables};
use lazaret_agent::config::{DefinitionsSettings, EngineSettings, RulesSettings};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// As an agent's: 20 MB.
const VERDICT_CACHE_ENTRIES: usize = 100_000;
/// Between two looks at the policies; an agent's.
const POLICIES_SECONDS: u64 = 15;

/// Everything that the program reads.
#[derive(Debug, Clone)]
pub struct Config {
    /// `LAZARET_API_LISTEN` (`0.0.0.0:8080`): plain HTTP; TLS ends at the load balancer.
    pub listen: SocketAddr,
    /// `LAZARET_RESULTS_BUCKET`: definitions, rules, policies and the answers of asynchronous scans.
    pub results_bucket: String,
    /// `LAZARET_SCRATCH_DIR`: files too large for memory lie here, without names.
    pub scratch_dir: PathBuf,
    /// `LAZARET_SCAN_WORKERS`
    pub scan_workers: usize,
    /// `LAZARET_VERDICT_CACHE_ENTRIES` (100,000): 0 remembers none.
    pub verdict_cache_entries: usize,
    /// `LAZARET_POLICIES_SECONDS` (15): between two looks at what the owner allows.
    pub policies: Duration,
    pub engine: EngineSettings,
    pub rules: RulesSettings,
    pub definitions: DefinitionsSettings,
    pub users: UserSettings,
    pub limits: Limits,
    pub connections: ConnectionSettings,
    pub buckets: BucketSettings,
}

/// Who may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSettings {
    /// `LAZARET_API_CLIENT_IDS`: app clients of the user pool whose tokens count, with commas between them. Logins go through the
    /// first.
    pub client_ids: Vec<String>,
    /// `LAZARET_API_ISSUER` (from the pool's id): who must have made a token.
    pub issuer: String,
    /// `LAZARET_API_JWKS_URL` (below the issuer): where the issuer's keys are.
    pub jwks_url: String,
    /// `LAZARET_API_COGNITO_URL` (AWS's, of the pool's region; or `AWS_ENDPOINT_URL`): where logins are asked about.
    pub cognito_url: String,
    /// `LAZARET_API_PROXIES` (0): how many proxies of ours stand before this server; 1 behind a load balancer. It is believed so many
    /// entries of `X-Forwarded-For`.
    pub proxies: usize,
}

/// What bounds a request, and all of them together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `LAZARET_API_MAX_BYTES` (2 GiB): of a body, and of an object that is scanned where it lies.
    pub body_bytes: u64,
    /// `LAZARET_API_MAX_FILES` (100): of one request.
    pub files: usize,
    /// `LAZARET_API_MAX_PARTS` (1,000): of one form, those that are no files among them.
    pub parts: usize,
    /// `LAZARET_API_MEMORY_BYTES` (256 MiB): of all files that lie in memory; what has no place there goes to the disk.
    pub memory_bytes: u64,
    /// `LAZARET_API_DISK_BYTES` (8 GiB): of all files on the disk. A Fargate task has 20 GiB, of which unpacking needs its share.
    pub disk_bytes: u64,
    /// `LAZARET_API_RECEIVING` (512): requests whose bodies are on their way.
    pub receiving: usize,
    /// `LAZARET_API_QUEUE` (256): requests that wait for the engine, or are in it.
    pub queue: usize,
    /// `LAZARET_API_STALL_SECONDS` (30): a body of which less than 4 KiB arrive in this time is given up.
    pub stall: Duration,
    /// `LAZARET_API_RECEIVE_SECONDS` (900): 2 GiB at 20 Mbit/s.
    pub receive: Duration,
    /// `LAZARET_API_SECONDS` (3,600): from a body's last byte to the answer, the wait for the engine included.
    pub answer: Duration,
    /// `LAZARET_API_ASYNC` (0): with 1, a request that prefers it may be answered by 202.
    pub asynchronous: bool,
    /// `LAZARET_API_ASYNC_BYTES` (64 MiB): smaller bodies are always answered at once.
    pub async_bytes: u64,
}

/// Connections, and their end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// `LAZARET_API_CONNECTIONS` (2,048): at a time; a few more are told so, and others wait to be accepted.
    pub most: usize,
    /// `LAZARET_API_IDLE_SECONDS` (75): how long a connection may take for the head of its next request. Longer than the load balancer's
    /// own idle time (60 s), so that it is the one to close.
    pub idle: Duration,
    /// `LAZARET_API_GRACE_SECONDS` (10): from SIGTERM to the end of listening: a load balancer needs some time to look elsewhere.
    pub grace: Duration,
    /// `LAZARET_API_DRAIN_SECONDS` (100): for what is in hand by then. With the grace, within the 120 s that ECS gives a task.
    pub drain: Duration,
}

/// Which buckets callers may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSettings {
    /// `LAZARET_API_SCAN_BUCKETS` (`*`): whose objects may be scanned; names, or `*` for all that the task's role may read.
    pub scan: Vec<String>,
    /// `LAZARET_API_UPLOAD_BUCKETS` (none): where clean files may be stored; names.
    pub upload: Vec<String>,
}

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// Names the first variable that is missing or wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(&|name| std::env::var(name).ok())
    }

    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let variables = &Variables(get);
        Ok(Self {
            listen: listen(variables)?,
            results_bucket: variables.text("LAZARET_RESULTS_BUCKET")?,
            scratch_dir: variables.path("LAZARET_SCRATCH_DIR")?,
            scan_workers: variables.number("LAZARET_SCAN_WORKERS", 1)?,
            verdict_cache_entries: variables.number_or("LAZARET_VERDICT_CACHE_ENTRIES", VERDICT_CACHE_ENTRIES, 0)?,
            policies: seconds(variables, "LAZARET_POLICIES_SECONDS", POLICIES_SECONDS, 1)?,
            engine: EngineSettings::read(variables)?,
            rules: RulesSettings::read(variables)?,
            definitions: DefinitionsSettings::read(variables)?,
            users: UserSettings::read(variables)?,
            limits: Limits::read(variables)?,
            connections: ConnectionSettings::read(variables)?,
            buckets: BucketSettings::read(variables),
        })
    }
}

fn listen(variables: &Variables<'_>) -> Result<SocketAddr, ConfigError> {
    const NAME: &str = "LAZARET_API_LISTEN";
    let Ok(text) = variables.text(NAME) else { return Ok(SocketAddr::from(([0, 0, 0, 0], 8080))) };
    text.parse().map_err(|_| ConfigError::Bad { name: NAME, why: format!("`{text}` is not ADDRESS:PORT") })
}

impl UserSettings {
    fn read(variables: &Variables<'_>) -> Result<Self, ConfigError> {
        const POOL: &str = "LAZARET_API_USER_POOL_ID";
        const CLIENTS: &str = "LAZARET_API_CLIENT_IDS";
        let pool = variables.text(POOL)?;
        let Some((region, _)) = pool.split_once('_') else {
            return Err(ConfigError::Bad { name: POOL, why: "a pool's id is REGION_NAME".to_owned() });
        };
        let client_ids = variables.list(CLIENTS);
        if client_ids.is_empty() {
            return Err(ConfigError::Missing(CLIENTS));
        }
        let aws = format!("https://cognito-idp.{region}.amazonaws.com");
        let issuer = variables.text("LAZARET_API_ISSUER").unwrap_or_else(|_| format!("{aws}/{pool}"));
        let emulated = variables.text("AWS_ENDPOINT_URL");
        Ok(Self {
            client_ids,
            jwks_url: variables
                .text("LAZARET_API_JWKS_URL")
                .unwrap_or_else(|_| format!("{issuer}/.well-known/jwks.json")),
            cognito_url: variables.text("LAZARET_API_COGNITO_URL").or(emulated).unwrap_or(aws),
            proxies: variables.number_or("LAZARET_API_PROXIES", 0, 0)?,
            issuer,
        })
    }
}

impl Limits {
    fn read(variables: &Variables<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            body_bytes: variables.number_or("LAZARET_API_MAX_BYTES", 2 * GIB, 1)?,
            files: variables.number_or("LAZARET_API_MAX_FILES", 100, 1)?,
            parts: variables.number_or("LAZARET_API_MAX_PARTS", 1_000, 1)?,
            memory_bytes: variables.number_or("LAZARET_API_MEMORY_BYTES", 256 * MIB, 0)?,
            disk_bytes: variables.number_or("LAZARET_API_DISK_BYTES", 8 * GIB, 1)?,
            receiving: variables.number_or("LAZARET_API_RECEIVING", 512, 1)?,
            queue: variables.number_or("LAZARET_API_QUEUE", 256, 1)?,
            stall: seconds(variables, "LAZARET_API_STALL_SECONDS", 30, 1)?,
            receive: seconds(variables, "LAZARET_API_RECEIVE_SECONDS", 900, 1)?,
            answer: seconds(variables, "LAZARET_API_SECONDS", 3_600, 1)?,
            asynchronous: variables.number_or("LAZARET_API_ASYNC", 0_u8, 0)? > 0,
            async_bytes: variables.number_or("LAZARET_API_ASYNC_BYTES", 64 * MIB, 0)?,
        })
    }
}

impl ConnectionSettings {
    fn read(variables: &Variables<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            most: variables.number_or("LAZARET_API_CONNECTIONS", 2_048, 1)?,
            idle: seconds(variables, "LAZARET_API_IDLE_SECONDS", 75, 1)?,
            grace: seconds(variables, "LAZARET_API_GRACE_SECONDS", 10, 0)?,
            drain: seconds(variables, "LAZARET_API_DRAIN_SECONDS", 100, 0)?,
        })
    }
}

impl BucketSettings {
    fn read(variables: &Variables<'_>) -> Self {
        let scan = variables.list("LAZARET_API_SCAN_BUCKETS");
        Self {
            scan: if scan.is_empty() { vec!["*".to_owned()] } else { scan },
            upload: variables.list("LAZARET_API_UPLOAD_BUCKETS"),
        }
    }
}

fn seconds(variables: &Variables<'_>, name: &'static str, default: u64, least: u64) -> Result<Duration, ConfigError> {
    variables.number_or(name, default, least).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn complete() -> BTreeMap<&'static str, &'static str> {
        BTreeMap::from([
            ("LAZARET_RESULTS_BUCKET", "results"),
            ("LAZARET_ENGINE", "/usr/bin/lazaret-engine"),
            ("LAZARET_SCRATCH_DIR", "/scratch"),
            ("LAZARET_SCAN_WORKERS", "2"),
            ("LAZARET_SCAN_SECONDS", "120"),
            ("LAZARET_API_USER_POOL_ID", "eu-west-1_AbC"),
            ("LAZARET_API_CLIENT_IDS", "first, second"),
        ])
    }

    fn read(variables: &BTreeMap<&'static str, &'static str>) -> Result<Config, ConfigError> {
        Config::read(&|name| variables.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn a_complete_environment_is_read_and_the_rest_has_defaults() {
        let config = read(&complete()).expect("complete");
        assert_eq!(config.listen.to_string(), "0.0.0.0:8080");
        let users = config.users;
        assert_eq!(users.client_ids, ["first", "second"]);
        assert_eq!(users.issuer, "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC");
        assert_eq!(users.jwks_url, format!("{}/.well-known/jwks.json", users.issuer));
        assert_eq!(users.cognito_url, "https://cognito-idp.eu-west-1.amazonaws.com");
        assert_eq!((config.limits.body_bytes, config.limits.asynchronous), (2 << 30, false));
        assert_eq!((config.buckets.scan, config.buckets.upload), (vec!["*".to_owned()], Vec::new()));
        let ConnectionSettings { grace, drain, idle, .. } = config.connections;
        assert!(grace + drain < Duration::from_secs(120), "what ECS gives a task to end");
        assert!(idle > Duration::from_secs(60), "what a load balancer keeps an idle connection");
    }

    #[test]
    fn the_issuer_its_keys_and_its_logins_may_be_elsewhere() {
        let mut variables = complete();
        variables.insert("AWS_ENDPOINT_URL", "http://127.0.0.1:4566");
        variables.insert("LAZARET_API_JWKS_URL", "http://127.0.0.1:4566/x/jwks.json");
        let users = read(&variables).expect("complete").users;
        assert_eq!(users.issuer, "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC");
        assert_eq!(users.cognito_url, "http://127.0.0.1:4566");
        assert_eq!(users.jwks_url, "http://127.0.0.1:4566/x/jwks.json");
        variables.insert("LAZARET_API_COGNITO_URL", "http://127.0.0.1:1");
        assert_eq!(read(&variables).expect("complete").users.cognito_url, "http://127.0.0.1:1");
    }

    #[test]
    fn what_is_missing_or_nonsense_is_named() {
        for name in complete().keys() {
            let mut variables = complete();
            variables.remove(name);
            assert_eq!(read(&variables).expect_err(name), ConfigError::Missing(name));
        }
        for (name, value) in [
            ("LAZARET_API_LISTEN", "8080"),
            ("LAZARET_API_USER_POOL_ID", "pool"),
            ("LAZARET_API_MAX_BYTES", "0"),
            ("LAZARET_API_QUEUE", "many"),
            ("LAZARET_API_STALL_SECONDS", "0"),
        ] {
            let mut variables = complete();
            variables.insert(name, value);
            assert!(read(&variables).expect_err(name).to_string().starts_with(name));
        }
    }
}
