//! `lazaret-simulate [PAGE]`: prints the tables of `docs/scale.md`, or writes them into it.

use std::process::ExitCode;

fn main() -> ExitCode {
    let tables = lazaret_simulator::table::tables();
    let Some(path) = std::env::args().nth(1) else {
        print!("{tables}");
        return ExitCode::SUCCESS;
    };
    let written = std::fs::read_to_string(&path).and_then(|page| {
        let page = lazaret_simulator::table::replaced(&page, &tables);
        std::fs::write(&path, page.ok_or_else(|| std::io::Error::other("the page has no marks to write between"))?)
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}
