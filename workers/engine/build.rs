//! Builds the one file of C.

fn main() {
    let source = "src/libclamav/sscanf.c";
    println!("cargo::rerun-if-changed={source}");
    // level 2 in every profile: it is what it is for. Not a builtin, or the compiler would see through its own name
    cc::Build::new()
        .file(source)
        .opt_level(2)
        .flag("-fno-builtin")
        .flag("-std=c11")
        .warnings_into_errors(true)
        .compile("lazaret-sscanf");
}
