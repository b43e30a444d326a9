//! Lists as spreadsheets write and read them: RFC 4180, with what people's spreadsheets do beside it.
//!
//! A comma, a semicolon (where the comma divides decimals) or a tab (what is copied out of a sheet) separates; a byte order
//! mark is ignored. A text that a spreadsheet would run as a formula is written with an apostrophe before it, which is how
//! people write such a text there, and read without.

/// One line, or several where a quoted cell has line breaks in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Where it begins, counted from 1.
    pub(super) line: usize,
    pub(super) cells: Vec<String>,
}

/// All records but empty lines; or what is wrong, and where.
pub(super) fn parse(text: &str) -> Result<Vec<Record>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let delimiter = delimiter(text);
    let mut records = Vec::new();
    let mut characters = text.chars().peekable();
    let mut line = 1;
    while characters.peek().is_some() {
        let mut record = Record { line, cells: Vec::new() };
        loop {
            let mut cell = String::new();
            let quoted = characters.next_if_eq(&'"').is_some();
            if quoted {
                let opened = line;
                loop {
                    match characters.next() {
                        Some('"') if characters.next_if_eq(&'"').is_some() => cell.push('"'),
                        Some('"') => break,
                        Some(character) => {
                            line += usize::from(character == '\n');
                            cell.push(character);
                        }
                        None => return Err(format!("has a quote in line {opened} that nothing closes")),
                    }
                }
            }
            while let Some(character) =
                characters.next_if(|next| *next != delimiter && *next != '\n' && *next != '\r')
            {
                if quoted && !character.is_whitespace() {
                    let message = "has more text behind a closing quote in line";
                    return Err(format!("{message} {line}: a quote within quotes is written twice"));
                }
                if !quoted {
                    cell.push(character);
                }
            }
            record.cells.push(cell);
            if characters.next_if_eq(&delimiter).is_none() {
                break;
            }
        }
        let carriage_return = characters.next_if_eq(&'\r').is_some();
        if characters.next_if_eq(&'\n').is_some() || carriage_return {
            line += 1;
        }
        if record.cells.iter().any(|cell| !cell.trim().is_empty()) {
            records.push(record);
        }
    }
    Ok(records)
}

/// The one that the first line has most of, outside of quotes.
fn delimiter(text: &str) -> char {
    let mut quoted = false;
    let mut counts = [(',', 0), (';', 0), ('\t', 0)];
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            '\n' | '\r' if !quoted => break,
            _ if quoted => {}
            _ => counts.iter_mut().filter(|(one, _)| *one == character).for_each(|(_, count)| *count += 1),
        }
    }
    // Of equals the first.
    counts.iter().rev().max_by_key(|(_, count)| count).map_or(',', |(one, _)| *one)
}

/// A line with its end.
pub(super) fn write<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> String {
    let cells: Vec<_> = cells.into_iter().map(|cell| quoted(cell.as_ref())).collect();
    // A line of one empty cell would be taken for none.
    if cells.len() == 1 && cells[0].is_empty() {
        return "\"\"\r\n".to_owned();
    }
    format!("{}\r\n", cells.join(","))
}

fn quoted(cell: &str) -> String {
    let plain = |character: char| !matches!(character, '"' | ',' | ';' | '\t' | '\n' | '\r' | '\u{feff}');
    match cell.chars().all(plain) && cell.trim() == cell {
        true => cell.to_owned(),
        false => format!("\"{}\"", cell.replace('"', "\"\"")),
    }
}

/// As a spreadsheet takes it for a text.
pub(super) fn as_text(cell: &str) -> String {
    let apostrophe = if cell.starts_with(is_risky) { "'" } else { "" };
    format!("{apostrophe}{cell}")
}

/// The text that was meant.
pub(super) fn meant(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| rest.starts_with(is_risky)).unwrap_or(cell)
}

/// What makes a formula of a cell, and the apostrophe itself, so that [`meant`] is the way back.
fn is_risky(first: char) -> bool {
    matches!(first, '=' | '+' | '-' | '@' | '\t' | '\r' | '\'')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cells(text: &str) -> Vec<Vec<String>> {
        parse(text).unwrap().into_iter().map(|record| record.cells).collect()
    }

    #[test]
    fn what_spreadsheets_write_is_read() {
        let expected = vec![vec!["a".to_owned(), "b".to_owned()], vec!["1".to_owned(), "x \"y\"".to_owned()]];
        for text in [
            "a,b\r\n1,\"x \"\"y\"\"\"\r\n",
            "\u{feff}a;b\n1;\"x \"\"y\"\"\"",
            "a\tb\n\n1\tx \"y\"\n\n",
            "\"a\",\"b\" \r1,x \"y\"\r",
        ] {
            assert_eq!(cells(text), expected, "{text:?}");
        }
        assert_eq!(cells("a,b\n1,\"2;3\n4\"\n5,"), [["a", "b"], ["1", "2;3\n4"], ["5", ""]]);
        assert!(cells("").is_empty() && cells("\n,,\n \n").is_empty());
    }

    #[test]
    fn a_record_knows_the_line_that_it_begins_in() {
        let lines: Vec<_> =
            parse("a,b\r\n\r\n\"x\r\ny\",1\r\n2,3").unwrap().iter().map(|record| record.line).collect();
        assert_eq!(lines, [1, 3, 5]);
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_line() {
        assert!(parse("a,b\n1,\"2\n3").unwrap_err().contains("line 2"));
        assert!(parse("a,b\n1,\"2\"3").unwrap_err().contains("line 2"));
    }

    #[test]
    fn formulas_are_written_as_texts() {
        for (cell, written) in [("=1+1", "'=1+1"), ("@x", "'@x"), ("-5", "'-5"), ("a=1", "a=1"), ("'", "''")]
        {
            assert_eq!(as_text(cell), written);
            assert_eq!(meant(written), cell);
        }
        assert_eq!(meant("'t Hooft"), "'t Hooft");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            records in proptest::collection::vec(proptest::collection::vec("[a-z=' \",;\t\r\n\u{feff}ü-]{0,6}", 1..5), 1..6),
        ) {
            let mut all = vec![vec!["one".to_owned(), "two".to_owned()]];
            all.extend(records.into_iter().filter(|cells| cells.iter().any(|cell| !cell.trim().is_empty())));
            let text: String = all.iter().map(write).collect();
            prop_assert_eq!(cells(&text), all);
        }

        #[test]
        fn a_text_comes_back_from_a_spreadsheet_as_it_went(cell in "['=+@\t\r-]{0,3}.{0,6}") {
            let written = as_text(&cell);
            prop_assert!(!written.starts_with(['=', '+', '-', '@', '\t', '\r']));
            prop_assert_eq!(meant(&written), cell);
        }

        #[test]
        fn no_text_is_too_much(text in "(?s).{0,80}") {
            let _ = parse(&text);
        }
    }
}
