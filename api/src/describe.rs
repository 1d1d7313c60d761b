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
        self.answers.push(Answer { status, description, content_type: JSON, schema: T::reference() });
        self
    }

    /// The same for many: each a [`ProblemAnswer`].
    #[must_use]
    pub fn failing(self, problems: &[(u16, &'static str)]) -> Self {
        problems.iter().fold(self, |all, (status, why)| all.answering::<ProblemAnswer>(*status, why))
    }

    #[must_use]
    pub fn answering_text(mut self, content_type: &'static str, description: &'static str) -> Self {
        self.answers.push(Answer { status: 200, description, content_type, schema: String::schema() });
        self
    }

    fn document(&self) -> Value {
        let mut answers = Map::new();
        for Answer { status, description, content_type, schema } in &self.answers {
            let content = json!({*content_type: {"schema": schema}});
            answers.insert(status.to_string(), json!({"description": description, "content": content}));
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
