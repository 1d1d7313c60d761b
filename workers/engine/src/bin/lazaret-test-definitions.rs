//! `lazaret-test-definitions OUTPUT_DIR`: writes a definitions set that knows the ClamAV test files and EICAR, and nothing else.
//!
//! For tests and the demo only. A scan with this set says nothing about real malware.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use sha2::{Digest, Sha256};

/// Where Debian's package `clamav-testfiles` puts its files: one harmless program, packed in 44 ways.
const TEST_FILES: &str = "/usr/share/clamav-testfiles";

/// The program that all others unpack to.
const TEST_PROGRAM: &str = "clam.exe";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(directory), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: lazaret-test-definitions OUTPUT_DIR");
        return ExitCode::FAILURE;
    };
    match write(Path::new(&directory)) {
        Ok(()) => {
            println!(
                "Wrote TEST definitions to `{}`: they know the test files and EICAR, no malware",
                directory.display()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("lazaret-test-definitions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(directory: &Path) -> Result<(), Box<dyn Error>> {
    let program = Path::new(TEST_FILES).join(TEST_PROGRAM);
    let content = fs::read(&program).map_err(|error| {
        format!("cannot read `{}` ({error}); install Debian's package clamav-testfiles", program.display())
    })?;
    fs::create_dir_all(directory)?;
    let hashes = format!("{}:{}:ClamAV-Test-File\n", hex(&Sha256::digest(&content)), content.len());
    fs::write(directory.join("lazaret-test.hsb"), hashes)?;
    // As in ClamAV's own set: at the beginning of a file only. A text that quotes EICAR is not EICAR.
    fs::write(directory.join("lazaret-test.ndb"), format!("Eicar-Test-Signature:0:0:{}\n", hex(eicar().as_bytes())))?;
    Ok(())
}

/// The EICAR test file, put together here so that this program and its source are not one.
fn eicar() -> String {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}", "$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String does not fail
        text
    })
}
