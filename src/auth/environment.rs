use std::{collections::BTreeMap, fmt, sync::Arc};

/// The environment variables, as they were when the command started. Cheap to clone.
///
/// Nothing but the command line reads the process's own: everything else is handed this.
#[derive(Clone, Default)]
pub struct Environment {
    variables: Arc<BTreeMap<String, String>>,
}

impl Environment {
    /// A variable's value. Set to nothing counts as not set: a secret is never empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Whether a variable is set, be it to nothing.
    pub fn is_set(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// The names of all variables.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(variables: T) -> Self {
        Environment {
            variables: Arc::new(variables.into_iter().map(|(k, v)| (k.into(), v.into())).collect()),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values are secrets as likely as not.
        write!(f, "Environment({} variables)", self.variables.len())
    }
}
