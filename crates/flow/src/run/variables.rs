//! The variables of an itinerary: declared by the flow, carried and changed along the way.

use std::sync::Arc;

use message::{Object, Text, Value};

use crate::model::VariableType;

/// The declared variables of a flow, in the order of declaration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VariableNames(Arc<Declared>);

#[derive(Debug, PartialEq, Default)]
struct Declared {
    names: Vec<Text>,
    types: Vec<VariableType>,
    initial: Variables,
}

impl VariableNames {
    /// Takes name, type and initial value of each.
    pub fn new(declared: impl IntoIterator<Item = (Text, VariableType, Value)>) -> Self {
        let mut names = Vec::new();
        let mut types = Vec::new();
        let mut values = Vec::new();
        for (name, kind, value) in declared {
            names.push(name);
            types.push(kind);
            values.push(value);
        }
        Self(Arc::new(Declared { names, types, initial: Variables(Arc::new(values)) }))
    }

    pub fn names(&self) -> &[Text] {
        &self.0.names
    }

    /// The place of a variable in the list; few enough to scan.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.0.names.iter().position(|declared| declared == name)
    }

    /// What an itinerary begins with.
    pub fn initial(&self) -> Variables {
        self.0.initial.clone()
    }

    /// Checks that each value is of its variable's type, after a script has run.
    pub fn check(&self, values: &Variables) -> Result<(), VariableError> {
        for ((name, kind), value) in self.0.names.iter().zip(&self.0.types).zip(values.as_slice()) {
            if !kind.accepts(value) {
                return Err(VariableError::WrongType {
                    name: name.clone(),
                    wanted: kind.name(),
                    found: value.type_name(),
                });
            }
        }
        Ok(())
    }

    /// Sets one variable by name.
    pub fn set(&self, values: &mut Variables, name: &str, value: Value) -> Result<(), VariableError> {
        let undeclared = || VariableError::Undeclared { name: Text::new(name) };
        let place = self.index_of(name).ok_or_else(undeclared)?;
        let kind = *self.0.types.get(place).ok_or_else(undeclared)?;
        if !kind.accepts(&value) {
            return Err(VariableError::WrongType {
                name: Text::new(name),
                wanted: kind.name(),
                found: value.type_name(),
            });
        }
        if let Some(slot) = values.make_mut().get_mut(place) {
            *slot = value;
        }
        Ok(())
    }

    /// One variable by name.
    pub fn get<'a>(&self, values: &'a Variables, name: &str) -> Option<&'a Value> {
        values.as_slice().get(self.index_of(name)?)
    }

    /// All variables as one object, for `variables` in scripts and for tracking.
    pub fn to_object(&self, values: &Variables) -> Object {
        self.0.names.iter().cloned().zip(values.as_slice().iter().cloned()).collect()
    }
}

/// The values of an itinerary's variables, in the order of declaration; shared until written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Variables(Arc<Vec<Value>>);

impl Variables {
    pub fn as_slice(&self) -> &[Value] {
        &self.0
    }

    /// The values to be changed; copies them if another branch holds them too.
    pub fn make_mut(&mut self) -> &mut [Value] {
        Arc::make_mut(&mut self.0).as_mut_slice()
    }
}

/// Why a variable cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    #[error("variable `{name}` is not declared: declare it under [variables]")]
    Undeclared { name: Text },
    #[error("variable `{name}` is declared as {wanted} and cannot hold a value of type {found}")]
    WrongType { name: Text, wanted: &'static str, found: &'static str },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_changes_its_own_variables() {
        let names = VariableNames::new([(Text::new("limit"), VariableType::Number, Value::from(30))]);
        let trunk = names.initial();
        let mut branch = trunk.clone();
        names.set(&mut branch, "limit", Value::from(31)).unwrap();
        assert_eq!(names.get(&trunk, "limit"), Some(&Value::from(30)));
        assert_eq!(names.get(&branch, "limit"), Some(&Value::from(31)));
        assert_eq!(
            names.set(&mut branch, "limt", Value::Null).unwrap_err().to_string(),
            "variable `limt` is not declared: declare it under [variables]"
        );
        assert_eq!(
            names.set(&mut branch, "limit", Value::from("x")).unwrap_err().to_string(),
            "variable `limit` is declared as number and cannot hold a value of type string"
        );
    }
}
