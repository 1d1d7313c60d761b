//! The report for a person: one HTML file that opens without a network.
//!
//! Nothing in it can be run but our own script: the policy in its head admits one script and one style sheet by their hashes
//! and no source at all. Rows lie in a block of JSON, and the script writes them as text, never as markup.

mod embed;
mod view;

use std::sync::LazyLock;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lazaret_model::{ResultRow, Summary, Verdict};
use sha2::{Digest, Sha256};

use crate::page::embed::Rows;
use crate::page::view::{Bar, Check, Fact, Tile};

/// Rows in a page: a browser takes a second or two to open so many, and nobody reads more in one.
pub const PAGE_ROWS: usize = 100_000;
/// Bytes of rows in a page; keys can be a kilobyte and an archive can have many findings.
pub const PAGE_BYTES: usize = 64 * 1024 * 1024;

const STYLE: &str = include_str!("../../templates/page.css");
const SCRIPT: &str = include_str!("../../templates/page.js");

/// What the browser is told to admit, as a `meta` tag, since a file has no headers.
static CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
});

/// Collects the rows of a page. What is infected has its place even where there are more rows than a page holds.
#[derive(Debug)]
pub struct Page {
    infected: Rows,
    others: Rows,
    /// Rows that were to be shown, whether they fit or not.
    taken: u64,
}

impl Default for Page {
    fn default() -> Self {
        Self::with_limits(PAGE_ROWS, PAGE_BYTES)
    }
}

#[derive(Template)]
#[template(path = "page.html")]
struct View<'a> {
    policy: &'a str,
    style: &'a str,
    script: &'a str,
    summary: &'a Summary,
    status: &'static str,
    headline: String,
    facts: Vec<Fact>,
    tiles: Vec<Tile>,
    verdicts: Vec<Bar>,
    sizes: Vec<Bar>,
    checks: Vec<Check>,
    sentences: Vec<String>,
    /// Set if not every row has its place here.
    cut: Option<String>,
    rows: &'a str,
}

impl Page {
    /// For tests; [`Page::default`] has the limits that are meant.
    pub fn with_limits(rows: usize, bytes: usize) -> Self {
        Self { infected: Rows::new(rows, bytes), others: Rows::new(rows, bytes), taken: 0 }
    }

    /// Takes a row; one that is Clean and has no note is left out.
    pub fn row(&mut self, row: &ResultRow) {
        if !row.is_remarkable() {
            return;
        }
        self.taken += 1;
        match row.verdict {
            Verdict::Infected { .. } => self.infected.push(row),
            _ => self.others.push(row),
        }
    }

    /// Writes the page.
    ///
    /// # Errors
    /// Askama's, which does not fail on a string.
    pub fn render(self, summary: &Summary) -> askama::Result<String> {
        let all = self.taken;
        let rows = self.infected.then(self.others);
        let view = View {
            policy: &CONTENT_SECURITY_POLICY,
            style: STYLE,
            script: SCRIPT,
            summary,
            status: view::status(summary.status),
            headline: view::headline(summary),
            facts: view::facts(summary),
            tiles: view::tiles(&summary.totals),
            verdicts: view::verdicts(&summary.totals),
            sizes: view::sizes(&summary.sizes),
            checks: view::checks(&summary.completeness),
            sentences: view::sentences(&summary.completeness),
            cut: view::cut(rows.count() as u64, all),
            rows: &rows.to_json(),
        };
        view.render()
    }
}
