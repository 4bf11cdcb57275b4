//! The little CQL that a fake node understands by itself: USE, and SELECTs of the shape that drivers send to system tables.
//!
//! Invariant: text that is not understood gives `None`, never a wrong reading of a table's name.

/// What stands on the right of `=` in a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    /// `?` or a named marker: the next bound value.
    Marker,
    /// A literal, without its quotes.
    Literal(String),
}

/// A SELECT on one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Select {
    /// Keyspace as written; `None` when the statement names none.
    pub(crate) keyspace: Option<String>,
    /// Table.
    pub(crate) table: String,
    /// Columns and the names they get in the result; `None` for `*`.
    pub(crate) columns: Option<Vec<(String, String)>>,
    /// `count(*)`.
    pub(crate) count: bool,
    /// Conditions `column = operand`; others are left out.
    pub(crate) conditions: Vec<(String, Operand)>,
}

/// The keyspace of a USE statement.
pub(crate) fn parse_use(text: &str) -> Option<String> {
    let tokens = tokens(text);
    match tokens.as_slice() {
        [Token::Word(word), name] | [Token::Word(word), name, Token::Sign(';')] if is(word, "use") => {
            name.name()
        }
        _ => None,
    }
}

/// The SELECT that this text is, if it is one on a single table.
pub(crate) fn parse_select(text: &str) -> Option<Select> {
    let tokens = tokens(text);
    let (first, rest) = tokens.split_first()?;
    if !first.is("select") {
        return None;
    }
    let from = rest.iter().position(|token| token.is("from"))?;
    let (list, rest) = (&rest[..from], &rest[from + 1..]);
    let (keyspace, table, rest) = match rest {
        [keyspace, Token::Sign('.'), table, rest @ ..] => (Some(keyspace.name()?), table.name()?, rest),
        [table, rest @ ..] => (None, table.name()?, rest),
        [] => return None,
    };
    let count = matches!(list, [word, Token::Sign('('), ..] if word.is("count"));
    let columns = match list {
        [Token::Sign('*')] => None,
        _ if count => None,
        _ => Some(
            list.split(|token| *token == Token::Sign(','))
                .map(column)
                .collect::<Option<Vec<_>>>()?,
        ),
    };
    Some(Select {
        keyspace,
        table,
        columns,
        count,
        conditions: conditions(rest)?,
    })
}

/// `name` or `name AS alias`.
fn column(tokens: &[Token]) -> Option<(String, String)> {
    match tokens {
        [name] => Some((name.name()?, name.name()?)),
        [name, word, alias] if word.is("as") => Some((name.name()?, alias.name()?)),
        _ => None,
    }
}

fn conditions(tokens: &[Token]) -> Option<Vec<(String, Operand)>> {
    let Some((first, rest)) = tokens.split_first() else {
        return Some(Vec::new());
    };
    if !first.is("where") {
        return Some(Vec::new());
    }
    let mut conditions = Vec::new();
    for part in rest.split(|token| token.is("and")) {
        if let [name, Token::Sign('='), operand, ..] = part {
            let operand = match operand {
                Token::Sign('?' | ':') => Operand::Marker,
                Token::Word(text) | Token::Quoted(text) | Token::Text(text) => Operand::Literal(text.clone()),
                Token::Sign(_) => return None,
            };
            conditions.push((name.name()?, operand));
        }
    }
    Some(conditions)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// An unquoted word or number; words compare without case.
    Word(String),
    /// A quoted identifier.
    Quoted(String),
    /// A text literal.
    Text(String),
    /// Anything else, one sign at a time.
    Sign(char),
}

impl Token {
    fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if is(word, keyword))
    }

    fn name(&self) -> Option<String> {
        match self {
            Self::Word(word) => Some(word.to_ascii_lowercase()),
            Self::Quoted(name) => Some(name.clone()),
            Self::Text(_) | Self::Sign(_) => None,
        }
    }
}

fn is(word: &str, keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword)
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(sign) = rest.chars().next() {
        let length = match sign {
            '"' | '\'' => {
                let (content, length) = quoted(&rest[1..], sign);
                tokens.push(if sign == '"' {
                    Token::Quoted(content)
                } else {
                    Token::Text(content)
                });
                1 + length
            }
            sign if is_word(sign) => {
                let length = rest.find(|sign| !is_word(sign)).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..length].to_owned()));
                length
            }
            sign => {
                tokens.push(Token::Sign(sign));
                sign.len_utf8()
            }
        };
        rest = rest[length..].trim_start();
    }
    tokens
}

/// Letters and digits, and the signs inside of numbers and UUIDs that stand without quotes.
fn is_word(sign: char) -> bool {
    sign.is_alphanumeric() || matches!(sign, '_' | '-')
}

/// The content up to the closing quote (a doubled quote is one of its signs) and the length of what was read.
fn quoted(text: &str, quote: char) -> (String, usize) {
    let mut content = String::new();
    let mut signs = text.char_indices().peekable();
    while let Some((index, sign)) = signs.next() {
        if sign != quote {
            content.push(sign);
        } else if signs.next_if(|(_, next)| *next == quote).is_some() {
            content.push(quote);
        } else {
            return (content, index + 1);
        }
    }
    (content, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn select_of_columns_with_a_condition_is_understood() {
        let select = parse_select("SELECT host_id, tokens AS t FROM system.local WHERE key='local'").unwrap();
        assert_eq!(
            (select.keyspace.as_deref(), select.table.as_str()),
            (Some("system"), "local")
        );
        let columns = [("host_id", "host_id"), ("tokens", "t")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(select.columns.unwrap(), columns);
        assert_eq!(
            select.conditions,
            [("key".to_owned(), Operand::Literal("local".to_owned()))]
        );
    }

    #[test]
    fn star_count_and_markers_are_understood() {
        assert_eq!(parse_select("select * from t;").unwrap().columns, None);
        assert!(parse_select("SELECT COUNT(*) FROM ks.t").unwrap().count);
        let select = parse_select("SELECT * FROM ks.t WHERE a = ? AND b = :b LIMIT 1").unwrap();
        assert_eq!(
            select.conditions,
            [
                ("a".to_owned(), Operand::Marker),
                ("b".to_owned(), Operand::Marker)
            ]
        );
    }

    #[test]
    fn use_gives_the_name_with_its_case_only_when_quoted() {
        assert_eq!(parse_use("USE Bench").as_deref(), Some("bench"));
        assert_eq!(parse_use("use \"We\"\"ird\";").as_deref(), Some("We\"ird"));
        assert_eq!(parse_use("SELECT 1"), None);
    }

    #[test]
    fn other_statements_are_not_selects() {
        assert_eq!(parse_select("INSERT INTO t (a) VALUES (1)"), None);
        assert_eq!(parse_select("SELECT now() FROM"), None);
        assert_eq!(parse_select("'"), None);
    }
}
