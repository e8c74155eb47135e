//! Runtime inputs: `<+input>.default(x).allowedValues(a,b).regex(^[a-z]+$)`.

use regex::Regex;

/// What a runtime input begins with.
pub(super) const INPUT: &str = "<+input>";

/// A runtime input, and what may be given for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Input {
    /// What it is if nothing is given.
    pub(super) default: Option<String>,
    allowed: Option<Vec<String>>,
    pattern: Option<String>,
}

impl Input {
    /// `text` as a runtime input; none if it is something else. Modifiers that are not known are let through.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix(INPUT)?;
        let mut input = Self::default();
        while let Some((name, argument, after)) = modifier(rest) {
            match name {
                "default" => input.default = Some(String::from(unquoted(argument))),
                "allowedValues" | "selectOneFrom" => {
                    let values = argument.split(',').map(|value| String::from(unquoted(value)));
                    input.allowed = Some(values.collect());
                }
                "regex" => input.pattern = Some(String::from(argument)),
                _ => {}
            }
            rest = after;
        }
        Some(input)
    }

    /// What is wrong with `value`: the end of a sentence. A pattern that only Java understands is not looked at.
    pub(super) fn problem_with(&self, value: &str) -> Option<String> {
        // Values of a list stand side by side; an expression shows its value later.
        if value.contains("<+") {
            return None;
        }
        if let Some(allowed) = &self.allowed
            && !allowed.iter().any(|allowed| allowed == value)
        {
            return Some(format!("and allowed are {}", allowed.join(", ")));
        }
        let pattern = self.pattern.as_ref()?;
        let whole = Regex::new(&format!("^(?:{pattern})$")).ok()?;
        (!whole.is_match(value)).then(|| format!("which `{pattern}` does not match"))
    }
}

/// `.name(argument)` at the start of `text`: both, and what comes after. Parentheses in the argument are balanced.
fn modifier(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.strip_prefix('.')?.split_once('(')?;
    let mut depth = 1_u32;
    for (at, letter) in rest.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let (argument, after) = rest.split_at(at);
            return Some((name, argument, after.strip_prefix(')').unwrap_or_default()));
        }
    }
    None
}

fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let inside = |quote| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, value: &str, expect: &str) {
        let input = Input::parse(text).unwrap();
        assert_eq!(input.problem_with(value).unwrap_or_default(), expect, "{text} = {value}");
    }

    #[test]
    fn values_are_held_against_what_is_allowed() {
        check("<+input>", "x", "");
        check("<+input>.allowedValues(a, b)", "b", "");
        check("<+input>.allowedValues(a,\"b c\")", "b c", "");
        check("<+input>.allowedValues(a,b)", "c", "and allowed are a, b");
        check("<+input>.default(a).allowedValues(a,b)", "c", "and allowed are a, b");
        check("<+input>.regex(^(account|org)\\..+$)", "account.x", "");
        check("<+input>.regex((account|org)\\.[a-z]+)", "xaccount.a", "which `(account|org)\\.[a-z]+` does not match");
        check("<+input>.regex((?<!x)y)", "anything", "");
        check("<+input>.executionInput().allowedValues(a)", "a", "");
        check("<+input>.allowedValues(a", "z", "");
    }

    #[test]
    fn defaults_are_read_with_what_is_in_them() {
        let default = |text: &str| Input::parse(text).and_then(|input| input.default);
        assert_eq!(default("<+input>.default(a(b)c)").as_deref(), Some("a(b)c"));
        assert_eq!(default("<+input>.allowedValues(a).default('a')").as_deref(), Some("a"));
        assert_eq!(default("<+input>.default()").as_deref(), Some(""));
        assert_eq!(Input::parse("x<+input>"), None);
    }
}
