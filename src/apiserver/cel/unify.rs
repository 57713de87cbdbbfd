//! Which types fit which, and what that says about type variables (cel-go checker/types.go).

use std::collections::HashMap;

use super::types::Type;

/// What the type variables stand for.
#[derive(Debug, Clone, Default)]
pub(super) struct Substitutions {
    of: HashMap<String, Type>,
}

impl Substitutions {
    pub(super) fn set(&mut self, name: &str, of: Type) {
        self.of.insert(name.to_owned(), of);
    }

    fn find(&self, of: &Type) -> Option<&Type> {
        match of {
            Type::Param(name) => self.of.get(name),
            _ => None,
        }
    }

    /// The type with its variables replaced; those without a meaning become `dyn` if they shall.
    pub(super) fn apply(&self, of: &Type, open_to_dyn: bool) -> Type {
        if let Some(found) = self.find(of) {
            return self.apply(found, open_to_dyn);
        }
        match of {
            Type::Param(_) if open_to_dyn => Type::Dyn,
            Type::List(element) => Type::list(self.apply(element, open_to_dyn)),
            Type::Map(key, value) => Type::map(self.apply(key, open_to_dyn), self.apply(value, open_to_dyn)),
            Type::Meta(Some(inner)) => Type::Meta(Some(Box::new(self.apply(inner, open_to_dyn)))),
            Type::Opaque(name, parameters) => Type::Opaque(
                name.clone(),
                parameters.iter().map(|parameter| self.apply(parameter, open_to_dyn)).collect(),
            ),
            other => other.clone(),
        }
    }

    /// Whether the one fits the other; only then its meaning for variables is kept.
    pub(super) fn assign(&mut self, one: &Type, other: &Type) -> bool {
        self.assign_all(std::slice::from_ref(one), std::slice::from_ref(other))
    }

    /// The same for lists, which must be as long as each other.
    pub(super) fn assign_all(&mut self, ones: &[Type], others: &[Type]) -> bool {
        let mut copy = self.clone();
        let fits = copy.all_assignable(ones.iter(), others.iter());
        if fits {
            *self = copy;
        }
        fits
    }

    fn all_assignable<'a>(
        &mut self,
        ones: impl ExactSizeIterator<Item = &'a Type>,
        others: impl ExactSizeIterator<Item = &'a Type>,
    ) -> bool {
        ones.len() == others.len() && ones.zip(others).all(|(one, other)| self.assignable(one, other))
    }

    fn assignable(&mut self, one: &Type, other: &Type) -> bool {
        if matches!(other, Type::Param(_)) {
            match self.substitutes(one, other) {
                (true, _) => return true,
                (false, true) => return false,
                (false, false) => {}
            }
        }
        if matches!(one, Type::Param(_)) {
            return self.substitutes(other, one).0;
        }
        if one.is_dyn_or_error() || other.is_dyn_or_error() {
            return true;
        }
        if *one == Type::Null {
            return nullable(other);
        }
        if *other == Type::Null {
            return nullable(one);
        }
        match (one, other) {
            (Type::Meta(_), Type::Meta(_)) => true,
            (Type::List(_), Type::List(_)) | (Type::Map(..), Type::Map(..)) => {
                self.all_assignable(one.parameters().into_iter(), other.parameters().into_iter())
            }
            (Type::Opaque(first, _), Type::Opaque(second, _)) => {
                first == second && self.all_assignable(one.parameters().into_iter(), other.parameters().into_iter())
            }
            _ => one == other,
        }
    }

    /// Whether the variable can stand for the type, and whether it stood for something before.
    fn substitutes(&mut self, of: &Type, variable: &Type) -> (bool, bool) {
        if of == variable {
            return (true, true);
        }
        let Type::Param(name) = variable else { return (false, false) };
        if let Some(before) = self.find(variable).cloned() {
            if *of == before {
                return (true, true);
            }
            if self.assignable(of, &before) {
                let general = most_general(of, &before).clone();
                if self.free_of(variable, &general) {
                    self.set(name, general);
                }
                return (true, true);
            }
            return (false, true);
        }
        if self.free_of(variable, of) {
            self.set(name, of.clone());
            return (true, false);
        }
        (false, false)
    }

    /// The variable does not occur in the type.
    fn free_of(&self, variable: &Type, within: &Type) -> bool {
        if variable == within {
            return false;
        }
        match within {
            Type::Param(_) => self.find(within).is_none_or(|found| self.free_of(variable, found)),
            other => other.parameters().into_iter().all(|parameter| self.free_of(variable, parameter)),
        }
    }
}

fn nullable(of: &Type) -> bool {
    matches!(of, Type::Opaque(..) | Type::Struct(_) | Type::Any | Type::Duration | Type::Timestamp | Type::Null)
}

/// Of two types that fit, the one that says less.
pub(super) fn most_general<'a>(one: &'a Type, other: &'a Type) -> &'a Type {
    if says_no_more(one, other) { one } else { other }
}

fn says_no_more(one: &Type, other: &Type) -> bool {
    if one.is_dyn() || matches!(one, Type::Param(_)) {
        return true;
    }
    if other.is_dyn() || matches!(other, Type::Param(_)) {
        return false;
    }
    match (one, other) {
        (Type::Meta(_), Type::Meta(_)) => true,
        (Type::List(_), Type::List(_)) | (Type::Map(..), Type::Map(..)) | (Type::Opaque(..), Type::Opaque(..)) => {
            let (first, second) = (one.parameters(), other.parameters());
            one.name() == other.name()
                && first.len() == second.len()
                && first.into_iter().zip(second).all(|(one, other)| says_no_more(one, other))
        }
        _ => one == other,
    }
}
