//! YAML as a tree in which every part knows its place. Nothing here knows the schema.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};

use super::fault::{Mistake, Position, quoted};

/// A YAML value and where it is written: of an alias, where its anchor stands.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// Keys as written: repeated ones and ones that are not text are for the reader to refuse.
    Mapping(Vec<(Node, Node)>),
}

/// Says what was found, in words of YAML.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("nothing"),
            Self::Bool(value) => write!(f, "`{value}`"),
            Self::Integer(value) => write!(f, "the number `{value}`"),
            Self::Float(value) => write!(f, "the number `{value}`"),
            Self::Text(text) => write!(f, "the text {}", quoted(text)),
            Self::List(_) => f.write_str("a list"),
            Self::Mapping(_) => f.write_str("a mapping"),
        }
    }
}

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        // Where a place is unknown the parser says 0.
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).max(1);
        Self {
            line: count(location.line()),
            column: count(location.column()),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            at: spanned.defined.into(),
            value: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

/// What came without a place, in a request say.
impl From<serde_json::Value> for Node {
    fn from(value: serde_json::Value) -> Self {
        let value = match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(flag) => Value::Bool(flag),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(integer) => Value::Integer(integer.into()),
                None => Value::Float(number.as_f64().unwrap_or(f64::INFINITY)),
            },
            serde_json::Value::String(text) => Value::Text(text),
            serde_json::Value::Array(items) => {
                Value::List(items.into_iter().map(Self::from).collect())
            }
            serde_json::Value::Object(members) => Value::Mapping(
                members
                    .into_iter()
                    .map(|(key, value)| (serde_json::Value::String(key).into(), value.into()))
                    .collect(),
            ),
        };
        Self {
            at: Position::START,
            value,
        }
    }
}

impl TryFrom<Node> for serde_json::Value {
    type Error = Mistake;

    fn try_from(node: Node) -> Result<Self, Mistake> {
        Ok(match node.value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(flag),
            Value::Integer(number) => i64::try_from(number)
                .map_err(|_| Mistake::new(format!("the number `{number}` is out of range")))?
                .into(),
            Value::Float(number) => number.into(),
            Value::Text(text) => Self::String(text),
            Value::List(items) => {
                let items = items.into_iter().map(Self::try_from);
                Self::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Mapping(pairs) => {
                let mut members = serde_json::Map::new();
                for (key, value) in pairs {
                    let Value::Text(name) = key.value else {
                        return Err(Mistake::new(format!(
                            "expected a name before the `:`, found {}",
                            key.value
                        )));
                    };
                    if members.contains_key(&name) {
                        let mistake = format!("the key {} appears twice", quoted(&name));
                        return Err(Mistake::new(mistake).hint("keep one of the two"));
                    }
                    members.insert(name, value.try_into()?);
                }
                Self::Object(members)
            }
        })
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut mapping = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            mapping.push(entry);
        }
        Ok(Value::Mapping(mapping))
    }
}
