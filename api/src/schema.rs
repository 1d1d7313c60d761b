//! The schemas of the words on the wire, from the types themselves and their comments.
//!
//! A small macro in place of a crate: those that there are change a feature of what the AWS SDK is built on.

use serde_json::{Map, Value, json};

/// A type that the API's document knows.
pub trait Schema {
    fn schema() -> Value;

    /// Its name, if it is one of the document's words.
    const NAME: Option<&'static str> = None;

    /// Adds itself, if it is one, and what it is made of.
    fn words(_into: &mut Map<String, Value>) {}

    /// The schema, or where it stands.
    fn reference() -> Value {
        Self::NAME.map_or_else(Self::schema, |name| json!({"$ref": format!("#/components/schemas/{name}")}))
    }
}

impl Schema for String {
    fn schema() -> Value {
        json!({"type": "string"})
    }
}

impl Schema for &str {
    fn schema() -> Value {
        String::schema()
    }
}

impl Schema for u64 {
    fn schema() -> Value {
        json!({"type": "integer", "minimum": 0})
    }
}

/// May be null.
impl<T: Schema> Schema for Option<T> {
    fn schema() -> Value {
        json!({"anyOf": [T::reference(), {"type": "null"}]})
    }

    fn words(into: &mut Map<String, Value>) {
        T::words(into);
    }
}

impl<T: Schema> Schema for Vec<T> {
    fn schema() -> Value {
        json!({"type": "array", "items": T::reference()})
    }

    fn words(into: &mut Map<String, Value>) {
        T::words(into);
    }
}

/// What is said of one field: its name in Rust, its lines of comment, whether it may be absent, and its schema.
pub struct Field {
    pub name: &'static str,
    pub comment: &'static [&'static str],
    pub optional: bool,
    pub schema: Value,
}

/// The schema of an object.
pub fn object(comment: &[&str], fields: Vec<Field>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for Field { name, comment, optional, mut schema } in fields {
        let name = camel(name);
        if let Some(schema) = schema.as_object_mut()
            && !comment.is_empty()
        {
            schema.insert("description".to_owned(), text(comment).into());
        }
        if !optional {
            required.push(Value::from(name.clone()));
        }
        properties.insert(name, schema);
    }
    json!({"type": "object", "description": text(comment), "properties": properties, "required": required})
}

/// A comment's lines as one.
pub fn text(comment: &[&str]) -> String {
    let lines: Vec<&str> = comment.iter().map(|line| line.trim()).collect();
    lines.join(" ")
}

/// `dateScanned` of `date_scanned`, as serde's `camelCase`.
fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut all, part| {
        let mut letters = part.chars();
        all.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        all.push_str(letters.as_str());
        all
    })
}

/// Structs of the wire: `camelCase` in JSON, each with a schema of its fields and comments. A field with an attribute of serde's may be
/// absent.
macro_rules! words {
    ($(
        $(#[doc = $comment:literal])*
        $(#[derive($($derive:ident),*)])?
        pub struct $name:ident {
            $( $(#[doc = $field_comment:literal])* $(#[serde($($absent:tt)*)])? pub $field:ident: $type:ty, )*
        }
    )*) => { $(
        $(#[doc = $comment])*
        #[derive($($($derive,)*)? serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $( $(#[doc = $field_comment])* $(#[serde($($absent)*)])? pub $field: $type, )*
        }

        impl $crate::schema::Schema for $name {
            fn schema() -> serde_json::Value {
                let fields = vec![$( $crate::schema::Field {
                    name: stringify!($field),
                    comment: &[$($field_comment),*],
                    optional: $crate::schema::words!(@absent $($($absent)*)?),
                    schema: <$type as $crate::schema::Schema>::reference(),
                } ),*];
                $crate::schema::object(&[$($comment),*], fields)
            }

            const NAME: Option<&'static str> = Some(stringify!($name));

            fn words(into: &mut serde_json::Map<String, serde_json::Value>) {
                if !into.contains_key(stringify!($name)) {
                    into.insert(stringify!($name).to_owned(), <Self as $crate::schema::Schema>::schema());
                    $( <$type as $crate::schema::Schema>::words(into); )*
                }
            }
        }
    )* };
    (@absent) => { false };
    (@absent $($how:tt)+) => { true };
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use super::*;

    words! {
        /// One
        /// thing.
        pub struct Thing {
            /// Its name.
            pub its_name: String,
            pub others: Vec<Thing>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub perhaps: Option<u64>,
        }
    }

    #[test]
    fn a_schema_says_what_serde_writes() {
        let schema = Thing::schema();
        assert_eq!(schema["description"], "One thing.");
        assert_eq!(schema["properties"]["itsName"], json!({"type": "string", "description": "Its name."}));
        assert_eq!(schema["properties"]["others"]["items"], json!({"$ref": "#/components/schemas/Thing"}));
        assert_eq!(schema["required"], json!(["itsName", "others"]));
        let thing = Thing { its_name: "a".into(), others: Vec::new(), perhaps: Some(1) };
        let written = serde_json::to_value(thing).expect("JSON");
        let names = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&written), names(&schema["properties"]));
        let mut words = Map::new();
        Option::<Vec<Thing>>::words(&mut words);
        assert_eq!(words.keys().collect::<Vec<_>>(), ["Thing"]);
    }
}
