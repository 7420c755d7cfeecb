//! Filters of texts. Numbers and flags are taken in their text form.

use super::{super::eval::room, Call, EvalError, texts};
use crate::record::Value;

type Result = std::result::Result<Value, EvalError>;

/// `trim`, `trim('-')`: removes white space, or the given characters, at both ends.
pub(super) fn trim(call: &mut Call<'_, '_>) -> Result {
    let text = call.text()?;
    let trimmed = match call.text_arg(0)? {
        Some(chars) if !chars.is_empty() => text.trim_matches(|c| chars.contains(c)),
        _ => text.trim(),
    };
    Ok(Value::text(trimmed))
}

/// `upper`: `Acme` -> `ACME`.
pub(super) fn upper(call: &mut Call<'_, '_>) -> Result {
    Ok(Value::text(call.text()?.to_uppercase()))
}

/// `lower`: `Acme` -> `acme`.
pub(super) fn lower(call: &mut Call<'_, '_>) -> Result {
    Ok(Value::text(call.text()?.to_lowercase()))
}

/// `title`: `ada von LOVELACE` -> `Ada Von Lovelace`.
pub(super) fn title(call: &mut Call<'_, '_>) -> Result {
    Ok(Value::text(minijinja::filters::title(call.text()?.into())))
}

/// `capitalize`: `ACME inc` -> `Acme inc`.
pub(super) fn capitalize(call: &mut Call<'_, '_>) -> Result {
    let text = call.text()?;
    let mut chars = text.chars();
    let mut out = String::with_capacity(text.len());
    // The capital of one letter may be several, of which only the first stays large: ß -> Ss.
    for (at, c) in chars.next().into_iter().flat_map(char::to_uppercase).enumerate() {
        match at {
            0 => out.push(c),
            _ => out.extend(c.to_lowercase()),
        }
    }
    out.push_str(&chars.as_str().to_lowercase());
    Ok(Value::text(out))
}

/// `replace('a', 'b')`, `replace('a', 'b', count=1)`.
pub(super) fn replace(call: &mut Call<'_, '_>) -> Result {
    let text = call.text()?;
    let from = call.text_arg(0)?.unwrap_or_default();
    let to = call.text_arg(1)?.unwrap_or_default();
    let most = call
        .whole_arg(2)?
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(usize::MAX);
    if from.is_empty() {
        return Ok(call.input.clone());
    }
    let found = text.match_indices(from).take(most).count();
    if to.len() > from.len() {
        room(
            text.len()
                .saturating_add(found.saturating_mul(to.len() - from.len())),
        )?;
    }
    Ok(match found {
        0 => Value::text(text),
        _ => Value::text(text.replacen(from, to, most)),
    })
}

/// `indent(4)`, `indent(4, first=true)`: blanks before every line but the first.
pub(super) fn indent(call: &mut Call<'_, '_>) -> Result {
    let text = call.text()?;
    let width = call.whole_arg(0)?.unwrap_or(4).clamp(0, 1000) as usize;
    let (first, blank) = (call.flag_arg(1)?, call.flag_arg(2)?);
    room(
        text.len()
            .saturating_add(text.lines().count().saturating_mul(width)),
    )?;
    let mut out = String::with_capacity(text.len());
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            out.push('\n');
        }
        if (at > 0 || first) && (blank || !line.trim().is_empty()) {
            out.extend(std::iter::repeat_n(' ', width));
        }
        out.push_str(line);
    }
    Ok(Value::text(out))
}

/// `string`: the text form of a number or flag.
pub(super) fn string(call: &mut Call<'_, '_>) -> Result {
    Ok(Value::text(call.text()?))
}

/// `tojson`: the value as JSON text, numbers with all their digits.
pub(super) fn tojson(call: &mut Call<'_, '_>) -> Result {
    let json = call.input.to_json().to_string();
    room(json.len())?;
    Ok(Value::text(json))
}

/// `urlencode`: `a b/ü` -> `a%20b/%C3%BC`.
pub(super) fn urlencode(call: &mut Call<'_, '_>) -> Result {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'.')
        .remove(b'-')
        .remove(b'_')
        .remove(b'~');
    let text = call.text()?;
    room(text.len())?;
    Ok(Value::text(utf8_percent_encode(text, KEPT).to_string()))
}

/// `split(',')`, `split(',', 1)`; without an argument at white space.
pub(super) fn split(call: &mut Call<'_, '_>) -> Result {
    let text = call.text()?;
    let most = call
        .whole_arg(1)?
        .and_then(|n| usize::try_from(n).ok())
        .map(|n| n.saturating_add(1));
    let by = call.text_arg(0)?.filter(|by| !by.is_empty());
    let list = match (by, most) {
        (Some(by), Some(most)) => texts(text.splitn(most, by)),
        (Some(by), None) => texts(text.split(by)),
        (None, None) => texts(text.split_whitespace()),
        (None, Some(most)) => texts(splitn_whitespace(text, most)),
    };
    call.fuel.burn(text.len() / 8)?;
    list
}

fn splitn_whitespace(text: &str, most: usize) -> impl Iterator<Item = &str> {
    let mut rest = text.trim_start();
    let mut left = most;
    std::iter::from_fn(move || {
        if rest.is_empty() || left == 0 {
            return None;
        }
        left -= 1;
        let end = match left {
            0 => rest.len(),
            _ => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        let (part, after) = rest.split_at(end);
        rest = after.trim_start();
        Some(part)
    })
}

/// `lines`: a text's lines as a list.
pub(super) fn lines(call: &mut Call<'_, '_>) -> Result {
    texts(call.text()?.lines())
}

#[cfg(test)]
mod tests {
    use super::super::apply;
    use super::*;

    #[test]
    fn texts_come_out_as_minijinja_makes_them() {
        let env = minijinja::Environment::new();
        for expression in [
            "'  a b ' | trim",
            "'--a-b--' | trim('-')",
            "'xyaxy' | trim('xy')",
            "'Grüße' | upper",
            "'GRÜSSE' | lower",
            "'ada von-der (LOVELACE) don\\'t' | title",
            "'ACME Inc' | capitalize",
            "'ßa' | capitalize",
            "'aaa' | replace('a', 'b')",
            "'aaa' | replace('a', 'b', 2)",
            "'aaa' | replace('a', 'bb', count=1)",
            "'aXbXc' | replace('X', '')",
            "'a\nb\n\nc' | indent",
            "'a\nb\n\nc' | indent(2, true)",
            "'a\nb\n\nc' | indent(2, true, true)",
            "'c,s,v' | split(',') | join('|')",
            "'c,s,v' | split(',', 1) | join('|')",
            "' a  b c ' | split | join('|')",
            "' a  b c ' | split(none, 1) | join('|')",
            "'a\r\nb\nc' | lines | join('|')",
            "['b', 'A', 'c'] | sort | join",
            "['b', 'A', 'c'] | sort(case_sensitive=true) | join",
            "['b', 'A', 'c'] | sort(reverse=true) | join",
            "['b', 'a', 'B', 'b'] | unique | join",
            "['b', 'a', 'B', 'b'] | unique(case_sensitive=true) | join",
            "['b', 'a', 'C'] | min",
            "['b', 'a', 'C'] | max",
            "['b', 'a', 'C'] | first",
            "['b', 'a', 'C'] | last",
            "['b', 'a', 'C'] | reverse | join(',')",
            "'abc' | reverse",
            "'abc' | first",
            "'abc' | length | string",
            "'abc'[1:]",
            "'abcdef'[-2:]",
            "'abcdef'[::-2]",
            "'abcdef'[4:1:-1]",
            "['a', 'b'] | map('upper') | join(',')",
            "['a', 'b', 3] | select('string') | join(',')",
            "['a', 'b', 3] | reject('string') | join(',')",
            "[{'n': 'x', 'k': 2}, {'n': 'y', 'k': 1}] | map(attribute='n') | join(',')",
            "[{'n': 'x', 'k': 2}, {'n': 'y', 'k': 1}] | sort(attribute='k') | join(',', attribute='n')",
            "[{'n': 'x', 'k': 2}, {'n': 'y', 'k': 1}] | selectattr('k', 'eq', 1) | join(',', attribute='n')",
            "[{'n': 'x', 'k': 2}, {'n': 'y', 'k': 1}] | rejectattr('k', 'eq', 1) | join(',', attribute='n')",
            "'A' if 1 < 2 <= 2 else 'B'",
            "'A' if 'x' in 'axb' and 'y' not in ['x'] else 'B'",
        ] {
            let theirs = env
                .compile_expression(expression)
                .and_then(|e| e.eval(()))
                .unwrap_or_else(|e| panic!("{expression}: {e}"));
            let ours = crate::pipeline::expr::tests::eval(expression, &[])
                .unwrap_or_else(|e| panic!("{expression}: {e}"));
            assert_eq!(ours.as_text(), Some(theirs.to_string().as_str()), "{expression}");
        }
    }

    #[test]
    fn texts_that_grow_without_end_are_refused() {
        let long = "a".repeat(2000);
        assert_eq!(
            apply(
                "replace",
                long.as_str().into(),
                &["a".into(), long.as_str().into()]
            ),
            Err(EvalError::TooLong(super::super::super::eval::MAX_TEXT))
        );
    }

    #[test]
    fn numbers_are_taken_as_text() {
        let number = Value::Number(crate::record::Number::exact("12.50").expect("a number"));
        assert_eq!(
            apply("replace", number, &[".".into(), ",".into()]),
            Ok("12,50".into())
        );
        assert_eq!(apply("urlencode", "a b/ü".into(), &[]), Ok("a%20b/%C3%BC".into()));
    }
}
