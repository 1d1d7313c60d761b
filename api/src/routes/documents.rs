//! `GET /api/openapi.json` and `GET /api/docs`: what all of this is called, from the code.

use std::sync::LazyLock;

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName};
use axum::response::{Html, IntoResponse};
use serde_json::{Value, json};

use crate::describe::{Operation, document};
use crate::page;
use crate::schema::Schema;

/// It does not change while the server runs.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| document(&super::operations()));
static JSON: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_string());
static PAGE: LazyLock<String> = LazyLock::new(|| page::render(&DOCUMENT));

/// No script, nothing from elsewhere.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The document itself.
struct OpenApi;

impl Schema for OpenApi {
    fn schema() -> Value {
        json!({"type": "object"})
    }
}

pub fn openapi_operation() -> Operation {
    Operation::new("GET", "/api/openapi.json", "This document").open().answering::<OpenApi>(200, "OpenAPI 3.1")
}

/// The document for programs.
pub async fn openapi() -> impl IntoResponse {
    let headers: [(HeaderName, &str); 1] = [(CONTENT_TYPE, "application/json")];
    (headers, JSON.as_str())
}

pub fn page_operation() -> Operation {
    Operation::new("GET", "/api/docs", "This document for a person").open().answering_text("text/html", "A page")
}

/// The document for a person.
pub async fn page() -> impl IntoResponse {
    let headers: [(HeaderName, &str); 1] = [(CONTENT_SECURITY_POLICY, POLICY)];
    (headers, Html(PAGE.as_str()))
}
