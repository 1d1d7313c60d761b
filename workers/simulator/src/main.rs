//! `lazaret-simulate [FOLDER]`: prints the tables of `docs/scale.md` and `docs/cost.md`, or writes them into the pages of a folder.

use std::io::Error;
use std::path::Path;
use std::process::ExitCode;

use lazaret_simulator::{cost, table};

fn main() -> ExitCode {
    let pages = [("scale.md", table::tables()), ("cost.md", cost::table())];
    let Some(folder) = std::env::args().nth(1) else {
        pages.iter().for_each(|(_, tables)| println!("{tables}"));
        return ExitCode::SUCCESS;
    };
    for (name, tables) in pages {
        if let Err(error) = write(&Path::new(&folder).join(name), &tables) {
            eprintln!("{folder}/{name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn write(path: &Path, tables: &str) -> Result<(), Error> {
    let page = table::replaced(&std::fs::read_to_string(path)?, tables);
    std::fs::write(path, page.ok_or_else(|| Error::other("the page has no marks to write between"))?)
}
