//! Where text goes: standard output for what was asked for, standard error for everything on the way there.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::escape;
use crate::outcome::Outcome;

/// Both streams. Text goes out with hostile characters spelled out, JSON with them escaped.
pub struct Console {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Whether a progress bar has a place.
    pub err_is_terminal: bool,
}

impl Console {
    pub fn standard() -> Self {
        let err_is_terminal = io::stderr().is_terminal();
        Self { out: Box::new(io::BufWriter::new(io::stdout())), err: Box::new(io::stderr()), err_is_terminal }
    }

    /// For tests, and for whoever wants the text elsewhere.
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self { out, err, err_is_terminal: false }
    }

    /// Text of our own with its line breaks, on standard output.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", escape::lines(text))?;
        self.out.flush()
    }

    /// One line of JSON, on standard output.
    pub fn json(&mut self, document: &impl Serialize) -> io::Result<()> {
        let document = serde_json::to_string(document)?;
        writeln!(self.out, "{}", escape::json(&document))?;
        self.out.flush()
    }

    /// A note on the way, on standard error.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.err, "{}", escape::lines(text))
    }

    /// Says why a command could not be done. A reader that went away (`| head`) is told nothing.
    pub fn error(&mut self, error: &anyhow::Error) -> Outcome {
        let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
        if io.is_none_or(|io| io.kind() != io::ErrorKind::BrokenPipe) {
            let chain: Vec<_> = error.chain().map(|cause| escape::line(&cause.to_string()).into_owned()).collect();
            // standard error is the last resort: there is no one to tell that it is gone
            let _ = self.note(&format!("error: {}", chain.join(": ")));
        }
        Outcome::Failed
    }

    /// Shows clap's help or what it did not understand, an argument's own text included.
    pub fn usage(&mut self, error: &clap::Error) -> Outcome {
        let text = error.render().to_string();
        let text = text.trim_end();
        if error.use_stderr() {
            let _ = self.note(text);
            return Outcome::Failed;
        }
        let _ = self.text(text);
        Outcome::NothingFound
    }

    /// Standard output for whoever writes much; JSON goes through [`escape::JsonSafe`].
    pub fn out(&mut self) -> &mut (dyn Write + Send) {
        &mut self.out
    }
}
