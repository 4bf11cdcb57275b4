//! What can be seen in the text of a statement without understanding it: enough to tell what is safe to run twice, and what
//! changes the connection that it runs on.
//!
//! Promise: a conditional statement is never taken for anything else. A statement that is taken for a SELECT is one.

/// What kind of statement a text is, as far as retries are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatementClass {
    /// A SELECT: running it twice does no harm.
    pub(crate) select: bool,
    /// A modification with an IF clause: a lightweight transaction.
    pub(crate) conditional: bool,
    /// Has a `*` outside of quotes: a prepared one changes its columns with the table.
    pub(crate) wildcard: bool,
}

impl StatementClass {
    /// Looks at the words of a text, outside of comments and quotes.
    pub(crate) fn of(text: &str) -> Self {
        let mut class = Self {
            select: false,
            conditional: false,
            wildcard: false,
        };
        let mut modification = false;
        for (index, word) in Words::new(text).enumerate() {
            if index == 0 {
                class.select = word.eq_ignore_ascii_case("select");
                modification = ["insert", "update", "delete", "begin"]
                    .iter()
                    .any(|verb| word.eq_ignore_ascii_case(verb));
            }
            class.conditional |= modification && word.eq_ignore_ascii_case("if");
            class.wildcard |= word == "*";
        }
        class
    }
}

/// Whether a text is a USE, after which its connection works in another keyspace. For most texts one look is enough.
#[inline]
pub(crate) fn switches_keyspace(text: &str) -> bool {
    match text.as_bytes().first() {
        // Another word begins here.
        Some(first) if first.is_ascii_alphabetic() && !first.eq_ignore_ascii_case(&b'u') => false,
        _ => begins_with_use(text),
    }
}

#[cold]
fn begins_with_use(text: &str) -> bool {
    let first = Words::new(text).next();
    first.is_some_and(|word| word.eq_ignore_ascii_case("use"))
}

/// Words and single signs of CQL, without comments and what stands in quotes.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// Skips to behind `end`, or to the end of the text.
    fn skip_past(&mut self, start: usize, end: &str) {
        let rest = self.rest.get(start..).unwrap_or_default();
        self.rest = rest.find(end).map_or("", |at| &rest[at + end.len()..]);
    }

    /// Skips to the end of the line: either sign for it ends a comment.
    fn skip_line(&mut self) {
        self.rest = self.rest.find(['\n', '\r']).map_or("", |at| &self.rest[at..]);
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            self.rest = self.rest.trim_start();
            let first = self.rest.chars().next()?;
            match first {
                '\'' => self.skip_past(1, "'"),
                '"' => self.skip_past(1, "\""),
                '$' if self.rest.starts_with("$$") => self.skip_past(2, "$$"),
                '-' if self.rest.starts_with("--") => self.skip_line(),
                '/' if self.rest.starts_with("//") => self.skip_line(),
                '/' if self.rest.starts_with("/*") => self.skip_past(2, "*/"),
                _ => {
                    let is_word = |c: char| c.is_alphanumeric() || c == '_';
                    let length = match self.rest.find(|c| !is_word(c)) {
                        Some(0) => first.len_utf8(),
                        Some(length) => length,
                        None => self.rest.len(),
                    };
                    let (word, rest) = self.rest.split_at(length);
                    self.rest = rest;
                    return Some(word);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_makes_a_modification_conditional_and_nothing_else() {
        for text in [
            "INSERT INTO t (a) VALUES (?) IF NOT EXISTS",
            "update t set a = 1 where b = 2 if a = 3",
            "DELETE FROM t WHERE a = 'x''y' IF\nEXISTS",
            "BEGIN BATCH INSERT INTO t (a) VALUES (1) IF NOT EXISTS APPLY BATCH",
            "/* IF */ UPDATE t SET a = $$ IF $$ WHERE b = 1 IF EXISTS",
            "-- a line as it ends elsewhere\rDELETE FROM t WHERE a = 1 IF EXISTS",
        ] {
            assert!(StatementClass::of(text).conditional, "{text}");
        }
        for text in [
            "INSERT INTO t (a) VALUES ('x IF y')",
            "CREATE TABLE IF NOT EXISTS t (a int PRIMARY KEY)",
            "UPDATE t SET a = 1 -- IF\n WHERE \"IF\" = 2",
            "UPDATE t SET gif = 1 WHERE a_if = 2 // if",
            "SELECT a FROM t WHERE b = $$IF$$",
        ] {
            assert!(!StatementClass::of(text).conditional, "{text}");
        }
    }

    #[test]
    fn select_is_seen_behind_comments_and_spaces() {
        assert!(StatementClass::of(" \n-- x\n/* y */select 1").select);
        assert!(!StatementClass::of("INSERT INTO selects (a) VALUES (1)").select);
        assert!(!StatementClass::of("").select);
        assert!(!StatementClass::of("'unclosed").select);
    }

    #[test]
    fn use_is_seen_behind_comments_and_spaces_and_is_a_whole_word() {
        for text in [
            "USE ks",
            "use \"Ks\"",
            "uSe\nks;",
            " \t\r\n USE ks",
            "-- a\n// b\r/* c\nd */USE ks",
            "/**/USE/**/ks",
            "USE\"ks\"",
        ] {
            assert!(switches_keyspace(text), "{text}");
        }
        for text in [
            "",
            "U",
            "UPDATE t SET use = 1",
            "users",
            "used ks",
            "use_ks",
            "SELECT use FROM t",
            "-- USE ks",
            "/* USE ks",
            "'USE ks'",
            "\u{fc}SE ks",
        ] {
            assert!(!switches_keyspace(text), "{text}");
        }
    }

    #[test]
    fn wildcard_is_a_star_outside_of_quotes() {
        assert!(StatementClass::of("SELECT * FROM t").wildcard);
        assert!(StatementClass::of("SELECT a,* FROM t").wildcard);
        assert!(!StatementClass::of("SELECT \"*\" FROM t WHERE a = '*' /* * */").wildcard);
    }
}
