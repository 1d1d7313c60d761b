//! The log of every program of ours: a line of JSON an event, or text where a person looks on.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Starts it on `stream`. `RUST_LOG` says what is told, and `info` where it does not.
pub fn start<S, W>(stream: S)
where
    S: Fn() -> W + Send + Sync + 'static,
    W: IsTerminal + std::io::Write + 'static,
    S: for<'a> MakeWriter<'a>,
{
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let for_a_person = stream().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stream);
    if for_a_person { lines.init() } else { lines.json().init() }
}
