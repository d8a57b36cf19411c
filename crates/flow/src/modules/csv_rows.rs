//! CSV text as rows of values, as RFC 4180 describes it.

use message::{Object, Text, Value};

/// Why a text is no CSV table with a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CsvError {
    #[error("the CSV text has no row below its header")]
    Empty,
    #[error("line {line} of the CSV text has {found} cells: its header has {wanted}")]
    CellCount { line: usize, found: usize, wanted: usize },
    #[error("the CSV text ends within quotes that begin at line {line}")]
    OpenQuotes { line: usize },
}

/// Reads a table: the first row names the columns. Numbers and `true`/`false` become such, an empty cell is null, and
/// whatever stands in quotes is text.
pub(super) fn read(text: &str) -> Result<Vec<Object>, CsvError> {
    let mut records = records(text)?.into_iter();
    let (_, header) = records.next().ok_or(CsvError::Empty)?;
    let names: Vec<Text> = header.into_iter().map(|cell| Text::from(cell.text.trim())).collect();
    let mut rows = Vec::new();
    for (line, cells) in records {
        if cells.len() != names.len() {
            return Err(CsvError::CellCount { line, found: cells.len(), wanted: names.len() });
        }
        rows.push(names.iter().cloned().zip(cells.into_iter().map(Cell::into_value)).collect());
    }
    if rows.is_empty() { Err(CsvError::Empty) } else { Ok(rows) }
}

#[derive(Debug, Default)]
struct Cell {
    text: String,
    quoted: bool,
}

impl Cell {
    fn into_value(self) -> Value {
        if self.quoted {
            return Value::from(self.text);
        }
        match self.text.trim() {
            "" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(whole), _) => Value::Int(whole),
                (_, Ok(float)) if float.is_finite() => Value::Float(float),
                _ => Value::from(text),
            },
        }
    }
}

/// The records with the line on which each begins; empty lines are left out.
fn records(text: &str) -> Result<Vec<(usize, Vec<Cell>)>, CsvError> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut cell = Cell::default();
    let (mut line, mut begun, mut quotes_at) = (1, 1, None);
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        line += usize::from(sign == '\n');
        match (sign, quotes_at) {
            ('"', Some(_)) if signs.peek() == Some(&'"') => {
                signs.next();
                cell.text.push('"');
            }
            ('"', Some(_)) => quotes_at = None,
            (other, Some(_)) => cell.text.push(other),
            ('"', None) if cell.text.trim().is_empty() => {
                cell = Cell { text: String::new(), quoted: true };
                quotes_at = Some(line);
            }
            (',', None) => record.push(std::mem::take(&mut cell)),
            ('\n', None) => {
                end_record(&mut records, begun, &mut record, &mut cell);
                begun = line;
            }
            ('\r', None) if signs.peek() == Some(&'\n') => {}
            (other, None) => cell.text.push(other),
        }
    }
    if let Some(line) = quotes_at {
        return Err(CsvError::OpenQuotes { line });
    }
    end_record(&mut records, begun, &mut record, &mut cell);
    Ok(records)
}

fn end_record(records: &mut Vec<(usize, Vec<Cell>)>, line: usize, record: &mut Vec<Cell>, cell: &mut Cell) {
    let cell = std::mem::take(cell);
    if record.is_empty() && !cell.quoted && cell.text.trim().is_empty() {
        return;
    }
    record.push(cell);
    records.push((line, std::mem::take(record)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_become_values() {
        let rows = read("t, ok,name,none\r\n1,true,\"a, \"\"b\"\"\nc\",\n\n2.5,false,x,\"\"").unwrap();
        let rows: Vec<String> = rows.into_iter().map(|row| Value::from(row).to_json()).collect();
        assert_eq!(
            rows,
            [r#"{"t":1,"ok":true,"name":"a, \"b\"\nc","none":null}"#, r#"{"t":2.5,"ok":false,"name":"x","none":""}"#]
        );
    }

    #[test]
    fn what_is_no_table_is_refused_with_its_line() {
        assert_eq!(read(""), Err(CsvError::Empty));
        assert_eq!(read("a,b\n"), Err(CsvError::Empty));
        assert_eq!(read("a,b\n1,2\n3"), Err(CsvError::CellCount { line: 3, found: 1, wanted: 2 }));
        assert_eq!(read("a\n\"x"), Err(CsvError::OpenQuotes { line: 2 }));
    }
}
