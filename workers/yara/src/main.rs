//! `lazaret-yara`: the host process over the owner's rules. An agent starts it, with its end of a socket as descriptor 0.
//! `lazaret-yara --check DIR` is for people: it says what the rules in DIR are worth.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use lazaret_engine_host::{Arguments, run};
use lazaret_yara::backend::Yara;
use lazaret_yara::rules;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let result = match arguments.as_slice() {
        [flag, directory] if flag == "--check" => check(Path::new(directory)),
        _ => Arguments::parse(arguments)
            .map_err(|error| error.to_string())
            .and_then(|arguments| run(&arguments, Yara::load).map_err(|error| error.to_string())),
    };
    // The last line on stderr is what the agent reports, so an error is one line.
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("lazaret-yara: {message}");
            ExitCode::FAILURE
        }
    }
}

fn check(directory: &Path) -> Result<(), String> {
    let loaded = rules::load_aloud(directory)?;
    println!("{} rules, version {}", loaded.count, loaded.fingerprint);
    Ok(())
}
