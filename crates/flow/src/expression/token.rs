//! Reads the tokens of the part of JavaScript that runs without the script engine. Whatever is outside that part,
//! or would need care to get exactly right, is refused: the engine then reads the text instead.

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'s> {
    Number(f64),
    Text(String),
    /// An identifier or a reserved word.
    Name(&'s str),
    Sign(&'static str),
    End,
}

/// The text is not in the part of the language that is read here; it may still be good JavaScript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outside;

/// Longest first, so that `===` is not read as `==`. Those that the parser does not know stand here too, so that a
/// shorter one is never read in their place.
const SIGNS: [&str; 52] = [
    ">>>=", "...", "===", "!==", "**=", "<<=", ">>=", ">>>", "&&=", "||=", "??=", "=>", "==", "!=", "<=", ">=", "&&",
    "||", "??", "?.", "++", "--", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<", ">>", "**", "{", "}", "(", ")",
    "[", "]", ".", ";", ",", "<", ">", "+", "-", "*", "%", "!", "?", ":", "=",
];

pub(super) struct Tokens<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Tokens<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self { source, at: 0 }
    }

    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// The next token and the byte at which it begins.
    pub(super) fn next(&mut self) -> Result<(Token<'s>, usize), Outside> {
        self.skip_space()?;
        let at = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok((Token::End, at)) };
        let token = match first {
            'a'..='z' | 'A'..='Z' | '_' | '$' => self.name(rest),
            '0'..='9' => self.number(rest)?,
            '.' if rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit) => self.number(rest)?,
            '"' | '\'' => self.text(rest, first)?,
            '/' => {
                // A comment is gone by now: this divides, or begins a pattern where a value should stand, which the
                // parser refuses.
                self.at += 1;
                if rest.starts_with("/=") {
                    return Err(Outside);
                }
                Token::Sign("/")
            }
            _ => self.sign(rest)?,
        };
        Ok((token, at))
    }

    fn skip_space(&mut self) -> Result<(), Outside> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
            self.at += rest.len() - trimmed.len();
            if let Some(comment) = trimmed.strip_prefix("//") {
                // The line ends at any of four signs in JavaScript; a comment with the rare two is left to the engine.
                let end = comment.find(['\n', '\r']).unwrap_or(comment.len());
                if comment.get(..end).is_none_or(|line| line.contains(['\u{2028}', '\u{2029}'])) {
                    return Err(Outside);
                }
                self.at += 2 + end;
            } else if let Some(comment) = trimmed.strip_prefix("/*") {
                self.at += 4 + comment.find("*/").ok_or(Outside)?;
            } else if trimmed.starts_with("<!--") || trimmed.starts_with("-->") {
                return Err(Outside);
            } else {
                return Ok(());
            }
        }
    }

    fn name(&mut self, rest: &'s str) -> Token<'s> {
        let end = rest.find(|sign: char| !is_name_sign(sign)).unwrap_or(rest.len());
        self.at += end;
        Token::Name(rest.get(..end).unwrap_or_default())
    }

    fn number(&mut self, rest: &'s str) -> Result<Token<'s>, Outside> {
        let digits = |text: &str| text.len() - text.trim_start_matches(|sign: char| sign.is_ascii_digit()).len();
        let from = |at: usize| rest.get(at..).unwrap_or_default();
        if rest.starts_with('0') && from(1).starts_with(|sign: char| sign.is_ascii_alphanumeric() || sign == '_') {
            // Hexadecimal, octal and their like: rare in a condition.
            return Err(Outside);
        }
        let mut end = digits(rest);
        if from(end).starts_with('.') {
            end += 1;
            end += digits(from(end));
        }
        if from(end).starts_with(['e', 'E']) {
            end += 1;
            end += usize::from(from(end).starts_with(['+', '-']));
            let exponent = digits(from(end));
            if exponent == 0 {
                return Err(Outside);
            }
            end += exponent;
        }
        if from(end).starts_with(|sign: char| is_name_sign(sign) || sign == '\\' || !sign.is_ascii()) {
            return Err(Outside);
        }
        self.at += end;
        rest.get(..end).and_then(|text| text.parse().ok()).map(Token::Number).ok_or(Outside)
    }

    fn text(&mut self, rest: &'s str, quote: char) -> Result<Token<'s>, Outside> {
        let mut text = String::new();
        let mut signs = rest.char_indices().skip(1);
        while let Some((at, sign)) = signs.next() {
            match sign {
                _ if sign == quote => {
                    self.at += at + 1;
                    return Ok(Token::Text(text));
                }
                '\n' | '\r' => return Err(Outside),
                '\\' => {
                    let (_, escaped) = signs.next().ok_or(Outside)?;
                    text.push(match escaped {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        '\\' | '\'' | '"' | '/' => escaped,
                        _ => return Err(Outside),
                    });
                }
                _ => text.push(sign),
            }
        }
        Err(Outside)
    }

    fn sign(&mut self, rest: &'s str) -> Result<Token<'s>, Outside> {
        let mut sign = *SIGNS.iter().find(|sign| rest.starts_with(**sign)).ok_or(Outside)?;
        if sign == "?." && rest.as_bytes().get(2).is_some_and(u8::is_ascii_digit) {
            // `a?.5:1` is a choice between numbers.
            sign = "?";
        }
        self.at += sign.len();
        Ok(Token::Sign(sign))
    }
}

pub(super) fn is_name_sign(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || matches!(sign, '_' | '$')
}
