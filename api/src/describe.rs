//! The API's document, from what each route says of itself: OpenAPI 3.1.

use serde_json::{Map, Value, json};

use crate::answer::ProblemAnswer;
use crate::schema::Schema;

/// What a route says of itself.
pub struct Operation {
    pub method: &'static str,
    pub path: &'static str,
    /// In one line.
    pub summary: &'static str,
    pub description: &'static str,
    /// Whether anybody may ask.
    pub open: bool,
    pub parameters: Vec<Value>,
    /// By content type.
    pub body: Vec<(&'static str, Value)>,
    pub answers: Vec<Answer>,
    /// What stands behind references.
    pub words: Map<String, Value>,
}

/// An answer that a route may give.
pub struct Answer {
    pub status: u16,
    pub description: &'static str,
    pub content_type: &'static str,
    pub schema: Value,
    /// Its headers that a client needs.
    pub headers: &'static [(&'static str, &'static str)],
    /// What may be asked next, by operation.
    pub links: Map<String, Value>,
}

/// What a problem of that status says beside its body.
const fn headers(status: u16) -> &'static [(&'static str, &'static str)] {
    match status {
        401 => &[("WWW-Authenticate", "`Bearer`")],
        429 | 503 => &[("Retry-After", "Seconds to wait before the next try")],
        _ => &[],
    }
}

const JSON: &str = "application/json";

impl Operation {
    pub fn new(method: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            path,
            summary,
            description: "",
            open: false,
            parameters: Vec::new(),
            body: Vec::new(),
            answers: Vec::new(),
            words: Map::new(),
        }
    }

    #[must_use]
    pub fn describing(self, description: &'static str) -> Self {
        Self { description, ..self }
    }

    #[must_use]
    pub fn open(self) -> Self {
        Self { open: true, ..self }
    }

    #[must_use]
    pub fn taking<T: Schema>(mut self) -> Self {
        T::words(&mut self.words);
        self.body.push((JSON, T::reference()));
        self
    }

    /// Says more of a field of the word that it takes than its type does.
    #[must_use]
    pub fn bounding<T: Schema>(mut self, field: &str, bounds: Value) -> Self {
        let word = T::NAME.and_then(|name| self.words.get_mut(name));
        let field = word.and_then(|word| word["properties"][field].as_object_mut());
        if let (Some(field), Value::Object(bounds)) = (field, bounds) {
            field.extend(bounds);
        }
        self
    }

    #[must_use]
    pub fn taking_bytes(mut self, content_type: &'static str, schema: Value) -> Self {
        self.body.push((content_type, schema));
        self
    }

    #[must_use]
    pub fn asking(mut self, place: &str, name: &str, required: bool, schema: Value, description: &str) -> Self {
        let parameter =
            json!({"in": place, "name": name, "required": required, "schema": schema, "description": description});
        self.parameters.push(parameter);
        self
    }

    #[must_use]
    pub fn answering<T: Schema>(mut self, status: u16, description: &'static str) -> Self {
        T::words(&mut self.words);
        self.answer(status, description, JSON, T::reference())
    }

    fn answer(mut self, status: u16, description: &'static str, content_type: &'static str, schema: Value) -> Self {
        self.answers.push(Answer { status, description, content_type, schema, headers: &[], links: Map::new() });
        self
    }

    /// Of the last answer: another route can be asked about it, with a parameter of that value.
    #[must_use]
    pub fn leading_to(mut self, operation: &str, parameter: &str, value: &str) -> Self {
        let link = json!({"operationId": operation, "parameters": {parameter: value}});
        if let Some(answer) = self.answers.last_mut() {
            answer.links.insert(operation.to_owned(), link);
        }
        self
    }

    /// The same for many: each a [`ProblemAnswer`].
    #[must_use]
    pub fn failing(self, problems: &[(u16, &'static str)]) -> Self {
        problems.iter().fold(self, |all, (status, why)| {
            let mut all = all.answering::<ProblemAnswer>(*status, why);
            if let Some(answer) = all.answers.last_mut() {
                answer.headers = headers(*status);
            }
            all
        })
    }

    #[must_use]
    pub fn answering_text(self, content_type: &'static str, description: &'static str) -> Self {
        self.answer(200, description, content_type, String::schema())
    }

    fn document(&self) -> Value {
        let mut answers = Map::new();
        for Answer { status, description, content_type, schema, headers, links } in &self.answers {
            let content = json!({*content_type: {"schema": schema}});
            let mut answer = json!({"description": description, "content": content});
            let of = |what: &str| json!({"description": what, "required": true, "schema": String::schema()});
            let headers: Map<String, Value> =
                headers.iter().map(|(name, what)| ((*name).to_owned(), of(what))).collect();
            for (name, members) in [("headers", &headers), ("links", links)] {
                if !members.is_empty() {
                    answer[name] = members.clone().into();
                }
            }
            answers.insert(status.to_string(), answer);
        }
        let mut document = json!({"summary": self.summary, "operationId": self.id(), "responses": answers});
        let mut set = |name: &str, value: Value| document[name] = value;
        if !self.description.is_empty() {
            set("description", self.description.into());
        }
        if !self.parameters.is_empty() {
            set("parameters", self.parameters.clone().into());
        }
        if !self.body.is_empty() {
            let content: Map<String, Value> =
                self.body.iter().map(|(kind, schema)| ((*kind).to_owned(), json!({"schema": schema}))).collect();
            set("requestBody", json!({"required": true, "content": content}));
        }
        if self.open {
            set("security", json!([]));
        }
        document
    }

    /// `postScanExisting`
    fn id(&self) -> String {
        let letters = |part: &str| part.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
        let parts: String = self.path.split('/').skip(2).map(letters).collect();
        format!("{}{parts}", self.method.to_lowercase())
    }
}

/// The document of all routes.
pub fn document(operations: &[Operation]) -> Value {
    let (mut paths, mut words) = (Map::new(), Map::new());
    for operation in operations {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method.to_lowercase()] = operation.document();
        words.extend(operation.words.clone());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Lazaret",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Send a file, get a verdict before it is stored anywhere. Only `Clean` means that a file was read to its end and \
                nothing was found.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": words,
            "securitySchemes": {"bearer": {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "An access token, as /api/Token gives it",
            }},
        },
    })
}
