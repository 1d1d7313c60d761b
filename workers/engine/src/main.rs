//! `lazaret-engine`: the host process over libclamav. An agent starts it, with its end of a socket as descriptor 0.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use lazaret_engine::backend::ClamAv;
use lazaret_engine_host::{Arguments, run};

fn main() -> ExitCode {
    // The last line on stderr is what the agent reports, so an error is one line.
    let result = Arguments::parse(std::env::args_os().skip(1))
        .map_err(|error| error.to_string())
        .and_then(|arguments| run(&arguments, ClamAv::load).map_err(|error| error.to_string()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("lazaret-engine: {message}");
            ExitCode::FAILURE
        }
    }
}
