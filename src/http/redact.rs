/// As many characters of a body as an error message may carry.
const LONGEST: usize = 300;

/// The beginning of a body, fit for an error message: one line, short, an HTML page by its title, and everything
/// that has the form of a secret masked.
///
/// Tokens are known by their form (an org's id, `!`, a long tail) and by the word before them (`Bearer`,
/// `"access_token":`), so that no caller has to hand secrets over for them to be hidden.
pub fn excerpt(body: &[u8]) -> String {
    let body = &body[..body.len().min(16 * 1024)];
    let text = String::from_utf8_lossy(body);
    let text = match html_title(&text) {
        Some(title) => format!("an HTML page: {title}"),
        None => text.into_owned(),
    };
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let masked = mask(&line);
    match masked.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &masked[..cut]),
        None => masked,
    }
}

/// Whether a text starts as a page, and then its title (or its first words).
fn html_title(text: &str) -> Option<String> {
    let start = text.trim_start();
    let lower = start
        .get(..start.len().min(4096))
        .unwrap_or_default()
        .to_ascii_lowercase();
    let page =
        lower.starts_with("<!doctype html") || lower.starts_with("<html") || lower.starts_with("<head");
    if !page {
        return None;
    }
    let title = lower.find("<title>").and_then(|from| {
        let rest = &lower[from + 7..];
        rest.find("</title>")
            .map(|len| start[from + 7..from + 7 + len].trim().to_owned())
    });
    Some(
        title
            .filter(|t| !t.is_empty())
            .unwrap_or_else(|| "without a title".into()),
    )
}

/// Replaces what looks like a secret by `***`.
fn mask(text: &str) -> String {
    const KEYS: [&str; 7] = [
        "access_token",
        "refresh_token",
        "id_token",
        "client_secret",
        "signature",
        "password",
        "assertion",
    ];
    let mut out = String::with_capacity(text.len());
    let mut hide_next = false;
    for piece in pieces(text) {
        let word = piece.starts_with(is_token_char);
        if !word {
            // Only punctuation between a key and its value keeps the value hidden.
            if piece.contains([',', '&', '}', '{', ';']) {
                hide_next = false;
            }
            out.push_str(piece);
            continue;
        }
        if hide_next || is_session_token(piece) {
            out.push_str("***");
            hide_next = false;
        } else {
            out.push_str(piece);
        }
        hide_next =
            hide_next || KEYS.contains(&piece) || piece == "Bearer" || piece == "Basic" || piece == "OAuth";
    }
    out
}

/// Splits a text into runs of token characters and runs of all else.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let kind = is_token_char(first);
        let end = rest.find(|c| is_token_char(c) != kind).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        Some(piece)
    })
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '!' | '.' | '_' | '-' | '+' | '/' | '%' | '~')
}

/// An org id, `!`, and a long tail; or the three parts of a JSON web token.
fn is_session_token(piece: &str) -> bool {
    let opaque = piece.split_once('!').is_some_and(|(org, tail)| {
        org.ends_with(|c: char| c.is_ascii_alphanumeric()) && org.len() >= 15 && tail.len() >= 8
    });
    opaque || (piece.starts_with("eyJ") && piece.matches('.').count() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_never_show() {
        for (body, expected) in [
            (
                r#"{"access_token":"00D000000000001!AQ4AQFsecretsecret","scope":"api"}"#,
                r#"{"access_token":"***","scope":"api"}"#,
            ),
            ("Authorization: Bearer abcdef", "Authorization: Bearer ***"),
            (
                "session 00D000000000001AAA!AQ4AQF_sec.ret gone",
                "session *** gone",
            ),
            ("jwt eyJhbGciOi.eyJzdWIi.c2ln", "jwt ***"),
            (
                "client_secret=hush&grant_type=client_credentials",
                "client_secret=***&grant_type=client_credentials",
            ),
            (
                r#"{"refresh_token": "5Aep861", "x": 1}"#,
                r#"{"refresh_token": "***", "x": 1}"#,
            ),
            (
                r#"{"access_token":"","error":"x"}"#,
                r#"{"access_token":"","error":"x"}"#,
            ),
            ("Wait! That is fine.", "Wait! That is fine."),
            ("a\n  b\tc", "a b c"),
            (
                "<!DOCTYPE html><html><head><title>Bad Gateway</title></head></html>",
                "an HTML page: Bad Gateway",
            ),
            ("<html><body>x</body></html>", "an HTML page: without a title"),
        ] {
            assert_eq!(excerpt(body.as_bytes()), expected);
        }
    }

    #[test]
    fn long_bodies_are_cut_between_characters() {
        let long = "ä".repeat(1000);
        let cut = excerpt(long.as_bytes());
        assert_eq!(cut.chars().count(), LONGEST + 1);
        assert!(cut.ends_with('…'));
    }
}
