//! The OpenAPI document as one page for a person: no script, nothing from elsewhere.

use std::fmt::Write;

use serde_json::Value;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}\
h2{margin-top:2.5rem;border-top:1px solid #ccc;padding-top:1rem}code{background:#eee;padding:.1em .3em;border-radius:3px}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid #ddd}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}code{background:#333}td,th{border-color:#444}h2{border-color:#555}}";

/// The page.
pub fn render(document: &Value) -> String {
    let mut page = Page(String::new());
    let title = text(&document["info"]["title"]);
    page.add(&format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>"
    ));
    page.add(&format!("<h1>{title}</h1><p>{}</p>", text(&document["info"]["description"])));
    page.add("<p>The same for programs: <a href=\"openapi.json\">openapi.json</a>.</p>");
    for (path, methods) in members(&document["paths"]) {
        for (method, operation) in members(methods) {
            page.operation(path, method, operation);
        }
    }
    page.add("<h2>Words</h2>");
    for (name, schema) in members(&document["components"]["schemas"]) {
        page.schema(name, schema);
    }
    page.0
}

struct Page(String);

impl Page {
    fn add(&mut self, html: &str) {
        self.0.push_str(html);
    }

    fn row(&mut self, cells: [&str; 2]) {
        let [name, what] = cells;
        let _ = write!(self.0, "<tr><td><code>{name}</code></td><td>{what}</td></tr>");
    }

    fn operation(&mut self, path: &str, method: &str, operation: &Value) {
        let method = method.to_uppercase();
        self.add(&format!("<h2><code>{} {}</code></h2>", escape(&method), escape(path)));
        self.add(&format!("<p><b>{}</b></p>", text(&operation["summary"])));
        if operation["description"].is_string() {
            self.add(&format!("<p>{}</p>", text(&operation["description"])));
        }
        self.add("<table>");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let what = format!("{} ({})", text(&parameter["description"]), text(&parameter["in"]));
            self.row([&text(&parameter["name"]), &what]);
        }
        for (kind, content) in members(&operation["requestBody"]["content"]) {
            self.row([&escape(kind), &format!("the body{}", named(&content["schema"]))]);
        }
        for (status, response) in members(&operation["responses"]) {
            let schema = members(&response["content"]).next().map(|(_, content)| named(&content["schema"]));
            let what = format!("{}{}", text(&response["description"]), schema.unwrap_or_default());
            self.row([&escape(status), &what]);
        }
        self.add("</table>");
    }

    fn schema(&mut self, name: &str, schema: &Value) {
        self.add(&format!("<h3 id=\"{0}\">{0}</h3><p>{1}</p><table>", escape(name), text(&schema["description"])));
        for (property, schema) in members(&schema["properties"]) {
            let what = format!("{}{}", text(&schema["description"]), named(schema));
            self.row([&escape(property), &what]);
        }
        for value in schema["enum"].as_array().into_iter().flatten() {
            self.row([&text(value), ""]);
        }
        self.add("</table>");
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// `: Name`, of a schema with one, or of what it has many of.
fn named(schema: &Value) -> String {
    let references = [&schema["$ref"], &schema["items"]["$ref"], &schema["anyOf"][0]["$ref"]];
    let reference = references.into_iter().find_map(Value::as_str);
    let name = reference.and_then(|reference| reference.rsplit('/').next()).map(escape);
    name.map(|name| format!(" (<a href=\"#{name}\">{name}</a>)")).unwrap_or_default()
}

/// The document's own text, with its `code`.
fn text(value: &Value) -> String {
    let text = escape(value.as_str().unwrap_or_default());
    let parts = text.split('`').enumerate();
    parts.map(|(index, part)| if index % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::document;
    use crate::routes::operations;

    #[test]
    fn every_route_and_word_of_the_document_is_on_the_page() {
        let page = render(&document(&operations()));
        for expected in [
            "POST /api/Token",
            "POST /api/Scan<",
            "POST /api/Scan/Existing",
            "GET /api/Scan/JobStatus",
            "id=\"ScanAnswer\"",
        ] {
            assert!(page.contains(expected), "{expected}");
        }
        for foreign in ["http://", "https://", "<script", "src="] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(text(&Value::from("a<b> `c&d`")), "a&lt;b&gt; <code>c&amp;d</code>");
    }
}
