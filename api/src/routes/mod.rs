//! The routes, one file each, and what stands around all of them.
//!
//! * [`token`]: log in. [`scan`]: files of a request. [`existing`]: an object that is there. [`job_status`]: what takes long.
//! * [`health`]: whether to send requests here. [`documents`]: what all of this is called.
//! * [`attend`]: an answer to every request, and a line in the log.

pub mod attend;
pub mod documents;
pub mod existing;
pub mod health;
pub mod job_status;
pub mod scan;
pub mod token;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use crate::app::App;
use crate::describe::Operation;
use crate::problem::{Cause, Problem};

/// All of them, each with what it says of itself: the router and the document are made of one list.
fn routes() -> [(Operation, MethodRouter<Arc<App>>); 7] {
    [
        (token::operation(), post(token::token)),
        (scan::operation(), post(scan::scan)),
        (existing::operation(), post(existing::existing)),
        (job_status::operation(), get(job_status::job_status)),
        (health::operation(), get(health::health)),
        (documents::openapi_operation(), get(documents::openapi)),
        (documents::page_operation(), get(documents::page)),
    ]
}

/// What they say of themselves.
pub fn operations() -> Vec<Operation> {
    routes().into_iter().map(|(operation, _)| operation).collect()
}

pub fn router(app: &Arc<App>) -> Router {
    let routes = routes().into_iter();
    let router = routes.fold(Router::new(), |all, (operation, method)| all.route(operation.path, method));
    attended(router.fallback(async || Problem::NotFound), app)
}

/// For connections that are too many: whether to send requests here can be asked on them, and nothing else.
pub fn crowded(app: &Arc<App>) -> Router {
    let refused = async || Problem::full(Cause::Receiving, "there are too many connections; try again in a moment");
    attended(Router::new().route(health::PATH, get(health::health)).fallback(refused), app)
}

fn attended(router: Router<Arc<App>>, app: &Arc<App>) -> Router {
    let attend = from_fn_with_state(Arc::clone(app), attend::attend);
    router.layer(attend).with_state(Arc::clone(app))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::describe::document;

    /// Every `$ref` below a value.
    fn references(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                into.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|value| references(value, into));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, into)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let document = document(&operations());
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() >= 8, "{found:?}");
        for reference in found {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn what_the_document_leads_on_to_is_a_route_of_it() {
        let document = document(&operations());
        let link = &document["paths"]["/api/Scan"]["post"]["responses"]["202"]["links"]["getScanJobStatus"];
        let status = &document["paths"]["/api/Scan/JobStatus"]["get"];
        assert_eq!(link["operationId"], status["operationId"]);
        let asked = status["parameters"][0]["name"].as_str().expect("a name");
        assert!(link["parameters"][asked].is_string(), "{link}");
        let existing = &document["components"]["schemas"]["Existing"]["properties"];
        assert!(existing["container"]["pattern"].is_string() && existing["versionId"]["minLength"] == 1, "{existing}");
    }

    #[test]
    fn the_page_for_client_authors_has_every_route_status_and_limit() {
        let page = include_str!("../../../docs/api.md");
        for Operation { path, method, answers, .. } in operations() {
            assert!(page.contains(&format!("`{method} {path}")), "{method} {path}");
            for status in answers.iter().map(|answer| answer.status) {
                assert!(page.contains(&format!("\n| {status} |")), "{status} of {path}");
            }
        }
        let config = include_str!("../config.rs");
        let limits = config.split("impl Limits {").nth(1).and_then(|rest| rest.split("\nimpl ").next());
        let settings: Vec<&str> =
            limits.expect("the limits").split('"').filter(|text| text.starts_with("LAZARET_")).collect();
        assert!(settings.len() > 10, "{settings:?}");
        for setting in settings {
            assert!(page.contains(&format!("`{setting}`")), "{setting}");
        }
    }

    #[test]
    fn what_anybody_may_ask_is_listed_here() {
        let open: Vec<&str> = operations().iter().filter(|route| route.open).map(|route| route.path).collect();
        assert_eq!(open, ["/api/Token", "/api/health", "/api/openapi.json", "/api/docs"]);
        for route in operations().iter().filter(|route| !route.open) {
            assert!(route.answers.iter().any(|answer| answer.status == 401), "{}", route.path);
        }
    }
}
