//! CQL as it may be shown: without the values that are written in it.

use std::borrow::Cow;

/// Longer texts are cut, for whoever keeps them.
const LONGEST: usize = 4096;

/// The text with `?` for each literal (strings, numbers, blobs, UUIDs), and without comments. Names and bind markers stay.
pub(super) fn without_literals(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    // Up to here the text was taken over.
    let mut done = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let (length, instead) = match token(rest) {
            Token::Kept(length) => {
                at += length;
                continue;
            }
            Token::Literal(length) => (length, "?"),
            Token::Comment(length) => (length, " "),
        };
        out.push_str(&text[done..at]);
        out.push_str(instead);
        at += length;
        done = at;
    }
    if done == 0 && text.len() <= LONGEST {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[done..]);
    if out.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| out.is_char_boundary(*end));
        out.truncate(end.unwrap_or(0));
        out.push_str("...");
    }
    Cow::Owned(out)
}

/// The first word of a statement in capitals: `SELECT`, `INSERT`, ...
pub(super) fn operation(text: &str) -> String {
    let mut rest = text.trim_start();
    while let Token::Comment(length) = token(rest) {
        rest = rest[length..].trim_start();
    }
    let end = rest.find(|letter: char| !letter.is_ascii_alphabetic());
    let word = &rest[..end.unwrap_or(rest.len())];
    word.chars().take(32).collect::<String>().to_ascii_uppercase()
}

/// What stands at the beginning of a text, with its length in bytes.
enum Token {
    Kept(usize),
    Literal(usize),
    Comment(usize),
}

fn token(text: &str) -> Token {
    let until = |from: usize, end: &str| {
        let found = text.get(from..).and_then(|rest| rest.find(end));
        found.map_or(text.len(), |found| from + found + end.len())
    };
    let first = text.chars().next();
    match first {
        Some('\'') => Token::Literal(quoted(text, b'\'')),
        Some('"') => Token::Kept(quoted(text, b'"')),
        _ if text.starts_with("$$") => Token::Literal(until(2, "$$")),
        _ if text.starts_with("--") || text.starts_with("//") => {
            Token::Comment(text.find(['\n', '\r']).unwrap_or(text.len()))
        }
        _ if text.starts_with("/*") => Token::Comment(until(2, "*/")),
        Some(letter) if is_word(letter) => word(text, letter),
        Some(other) => Token::Kept(other.len_utf8()),
        None => Token::Kept(0),
    }
}

/// The length of what is quoted; a quote within is doubled.
fn quoted(text: &str, quote: u8) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        if *byte != quote {
            continue;
        }
        if bytes.get(at) != Some(&quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// A name, or a literal without quotes.
fn word(text: &str, first: char) -> Token {
    const UUID: usize = 36;
    let looks_like_uuid = |word: &str| {
        let dashes = [8, 13, 18, 23];
        let fits = |(at, letter): (usize, char)| match dashes.contains(&at) {
            true => letter == '-',
            false => letter.is_ascii_hexdigit(),
        };
        word.char_indices().all(fits)
    };
    let after = text.get(UUID..).and_then(|rest| rest.chars().next());
    if text.get(..UUID).is_some_and(looks_like_uuid) && !after.is_some_and(is_word) {
        return Token::Literal(UUID);
    }
    let is_number = first.is_ascii_digit();
    let is_hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    let mut before = '\0';
    let end = text.find(|letter: char| {
        let exponent = matches!(letter, '+' | '-') && matches!(before, 'e' | 'E') && !is_hexadecimal;
        let more = is_word(letter) || (is_number && (letter == '.' || exponent));
        before = letter;
        !more
    });
    let length = end.unwrap_or(text.len());
    match is_number {
        true => Token::Literal(length),
        false => Token::Kept(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_become_question_marks_and_names_stay() {
        for (text, expected) in [
            ("SELECT * FROM t1 WHERE k2 = ?", "SELECT * FROM t1 WHERE k2 = ?"),
            (
                "INSERT INTO t (a) VALUES ('it''s') IF NOT EXISTS",
                "INSERT INTO t (a) VALUES (?) IF NOT EXISTS",
            ),
            (
                "SET a = $$x'y$$, b = 0xCAFE, c = -1.5e-3, d = 1-2",
                "SET a = ?, b = ?, c = -?, d = ?-?",
            ),
            (
                "WHERE \"we'ird 7\" = 550e8400-e29b-41d4-a716-446655440000",
                "WHERE \"we'ird 7\" = ?",
            ),
            (
                "WHERE a = a1b2c3d4-e29b-41d4-a716-446655440000 AND b = :c",
                "WHERE a = ? AND b = :c",
            ),
            (
                "SELECT a -- 'secret'\nFROM t /* 12 */ LIMIT 10",
                "SELECT a  \nFROM t   LIMIT ?",
            ),
            ("VALUES ({'ü': 1h30m, 'b'", "VALUES ({?: ?, ?"),
            ("it's open", "it?"),
            ("$$open", "?"),
            ("", ""),
        ] {
            assert_eq!(without_literals(text), expected);
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        let text = "ä".repeat(LONGEST);
        let shown = without_literals(&text);
        assert!(shown.len() <= LONGEST + 3 && shown.ends_with("ä..."));
    }

    #[test]
    fn the_operation_is_the_first_word() {
        assert_eq!(operation("  select * from t"), "SELECT");
        assert_eq!(operation("/* x */ -- y\nInsert Into t"), "INSERT");
        assert_eq!(operation("(?)"), "");
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_shown(text in ".*") {
            let _ = without_literals(&text);
            let _ = operation(&text);
        }
    }
}
