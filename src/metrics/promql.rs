//! As much of PromQL as it takes to tell metric names and label names from all else.

/// A metric that an expression selects, with the labels that it matches on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) metric: String,
    pub(super) labels: Vec<String>,
}

/// What an expression reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expression {
    pub(super) selectors: Vec<Selector>,
    /// Those of `by`, `without`, `on`, `ignoring`, `group_left` and `group_right`.
    pub(super) grouping: Vec<String>,
}

/// Words that a list of labels follows.
const GROUPING: [&str; 6] = [
    "by",
    "group_left",
    "group_right",
    "ignoring",
    "on",
    "without",
];
/// Words that are neither metrics nor followed by a parenthesis.
const OPERATORS: [&str; 7] = ["and", "bool", "inf", "nan", "offset", "or", "unless"];

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text,
    Sign(char),
}

/// # Errors
/// Quotes, braces or brackets that do not close.
pub(super) fn read(expression: &str) -> Result<Expression, String> {
    let tokens = tokens(expression)?;
    let mut read = Expression::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        let next = tokens.get(at);
        match token {
            Token::Word(word) if GROUPING.contains(&&**word) => {
                if next == Some(&Token::Sign('(')) {
                    let end = closing(&tokens, at, ')', expression)?;
                    read.grouping.extend(words(&tokens[at..end]));
                    at = end;
                }
            }
            Token::Word(word) if OPERATORS.contains(&&*word.to_ascii_lowercase()) => {}
            // An aggregation: `sum by (group) (...)`.
            Token::Word(_) if matches!(next, Some(Token::Sign('('))) || is_grouping(next) => {}
            Token::Word(word) => read.selectors.push(Selector {
                metric: word.clone(),
                labels: Vec::new(),
            }),
            Token::Sign('{') => {
                let end = closing(&tokens, at, '}', expression)?;
                let selector = read.selectors.last_mut();
                let selector =
                    selector.ok_or_else(|| format!("matchers of no metric: {expression}"))?;
                selector.labels.extend(words(&tokens[at..end]));
                at = end;
            }
            Token::Sign('[') => at = closing(&tokens, at, ']', expression)?,
            Token::Sign(_) | Token::Text => {}
        }
    }
    Ok(read)
}

fn is_grouping(token: Option<&Token>) -> bool {
    matches!(token, Some(Token::Word(word)) if GROUPING.contains(&&**word))
}

fn words(tokens: &[Token]) -> impl Iterator<Item = String> {
    tokens.iter().filter_map(|token| match token {
        Token::Word(word) => Some(word.clone()),
        _ => None,
    })
}

fn closing(tokens: &[Token], from: usize, sign: char, whole: &str) -> Result<usize, String> {
    let rest = &tokens[from..];
    let length = rest.iter().position(|token| *token == Token::Sign(sign));
    length
        .map(|length| from + length)
        .ok_or_else(|| format!("no `{sign}` in: {whole}"))
}

/// Numbers, durations and Grafana's variables are dropped: they name nothing.
fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut characters = text.chars().peekable();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    while let Some(character) = characters.next() {
        match character {
            '"' | '\'' => {
                loop {
                    match characters.next() {
                        Some('\\') => drop(characters.next()),
                        Some(end) if end == character => break,
                        Some(_) => {}
                        None => return Err(format!("a quote that does not close in: {text}")),
                    }
                }
                tokens.push(Token::Text);
            }
            _ if is_part(character) || character == '$' => {
                let mut word = String::from(character);
                while let Some(part) = characters.next_if(|&next| is_part(next)) {
                    word.push(part);
                }
                if character.is_ascii_alphabetic() || character == '_' {
                    tokens.push(Token::Word(word));
                }
            }
            _ if character.is_whitespace() => {}
            sign => tokens.push(Token::Sign(sign)),
        }
    }
    Ok(tokens)
}

#[test]
fn metrics_and_labels_are_told_from_the_rest() {
    let read = read(
        r#"100 * histogram_quantile(0.99, sum by (le, group) (rate(a_bucket{group=~"$group", code!~"5.."}[$__rate_interval])))
           / on (group) group_left count(b == bool 1) > 0.5 and -c offset 5m or time() - d_seconds{} unless sum(e) without (code)"#,
    )
    .unwrap();
    let metrics: Vec<_> = read.selectors.iter().map(|of| of.metric.as_str()).collect();
    assert_eq!(metrics, ["a_bucket", "b", "c", "d_seconds", "e"]);
    assert_eq!(read.selectors[0].labels, ["group", "code"]);
    assert_eq!(read.grouping, ["le", "group", "group", "code"]);
}

#[test]
fn expression_that_does_not_close_is_an_error() {
    for text in [r#"a{b="c"#, "a{b", "rate(a[5m", "sum by (a", "{a='b'}"] {
        assert!(read(text).is_err(), "{text}");
    }
}
