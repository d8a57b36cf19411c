//! Figures of several rounds as one table: medians with the least and the most, and the ratio to who is compared with.

use crate::load::{Latency, Outcome};

/// What one run finds, and how it stands in a table.
pub(crate) trait Measured: Sized + 'static {
    const COLUMNS: &'static [Column<Self>];
}

/// The rounds of one scenario, by contender in the order of their turns. The last one is compared with the first.
#[derive(Debug)]
pub(crate) struct Scenario<T> {
    pub(crate) name: &'static str,
    pub(crate) rounds: Vec<(&'static str, Vec<T>)>,
}

/// One column: its heading, the decimals, and the figure, which not every scenario has.
pub(crate) struct Column<T> {
    pub(crate) heading: &'static str,
    pub(crate) decimals: usize,
    pub(crate) figure: fn(&T) -> Option<f64>,
}

impl Measured for Outcome {
    const COLUMNS: &'static [Column<Self>] = &[
        Column { heading: "delivered/s", decimals: 0, figure: |it| Some(it.delivered_per_second) },
        Column { heading: "CPU µs/message", decimals: 2, figure: |it| Some(it.cpu_us_per_message) },
        Column { heading: "generator µs", decimals: 2, figure: |it| Some(it.generator_us_per_message) },
        Column { heading: "p50 µs", decimals: 0, figure: |it| it.latency.map(|Latency { p50_us, .. }| p50_us) },
        Column { heading: "p99 µs", decimals: 0, figure: |it| it.latency.map(|Latency { p99_us, .. }| p99_us) },
        Column { heading: "RSS MiB", decimals: 1, figure: |it| Some(it.rss_mib) },
        Column { heading: "lost", decimals: 0, figure: |it| Some(it.lost as f64) },
        Column { heading: "repeated", decimals: 0, figure: |it| Some(it.repeated as f64) },
        Column { heading: "late", decimals: 0, figure: |it| Some(it.late as f64) },
    ];
}

/// Columns of what should be zero, where no ratio says anything.
const COUNTED: [&str; 3] = ["lost", "repeated", "late"];

/// Prints a table in Markdown.
pub(crate) fn print<T: Measured>(title: &str, scenarios: &[Scenario<T>]) {
    let mut rows = vec![
        ["scenario", ""].into_iter().chain(T::COLUMNS.iter().map(|column| column.heading)).map(str::to_owned).collect(),
    ];
    for scenario in scenarios {
        for (contender, outcomes) in &scenario.rounds {
            let cells = T::COLUMNS.iter().map(|column| spread(column, outcomes));
            rows.push([scenario.name, contender].map(str::to_owned).into_iter().chain(cells).collect());
        }
        if let [(base, base_outcomes), .., (own, own_outcomes)] = scenario.rounds.as_slice() {
            let cells = T::COLUMNS.iter().map(|column| ratio(column, own_outcomes, base_outcomes));
            let who = format!("{own} ÷ {base}");
            rows.push([scenario.name.to_owned(), who].into_iter().chain(cells).collect());
        }
    }
    println!("{title}\n");
    let widths = widths(&rows);
    for (index, row) in rows.iter().enumerate() {
        println!("{}", line(row, &widths));
        if index == 0 {
            let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            println!("{}", line(&rule, &widths));
        }
    }
    println!();
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect()
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
        if column < 2 { format!(" {cell:<width$} |") } else { format!(" {cell:>width$} |") }
    });
    format!("|{}", padded.collect::<String>())
}

/// The median with the least and the most: `1,000 (900–1,100)`.
fn spread<T>(column: &Column<T>, outcomes: &[T]) -> String {
    let sorted = sorted(column, outcomes);
    let (Some(median), Some(least), Some(most)) = (median(&sorted), sorted.first(), sorted.last()) else {
        return String::new();
    };
    let [median, least, most] = [median, *least, *most].map(|figure| grouped(figure, column.decimals));
    if least == most { median } else { format!("{median} ({least}–{most})") }
}

fn ratio<T>(column: &Column<T>, own: &[T], base: &[T]) -> String {
    match (median(&sorted(column, own)), median(&sorted(column, base))) {
        (Some(own), Some(base)) if base > 0.0 && COUNTED.iter().all(|counted| *counted != column.heading) => {
            format!("{:.2}", own / base)
        }
        _ => String::new(),
    }
}

fn sorted<T>(column: &Column<T>, outcomes: &[T]) -> Vec<f64> {
    let mut figures: Vec<f64> = outcomes.iter().filter_map(column.figure).collect();
    figures.sort_by(f64::total_cmp);
    figures
}

fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// The figure with a comma before every three digits.
fn grouped(figure: f64, decimals: usize) -> String {
    let text = format!("{figure:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if fraction.is_empty() { grouped } else { format!("{grouped}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(delivered_per_second: f64) -> Outcome {
        Outcome {
            delivered_per_second,
            cpu_us_per_message: 1.0,
            generator_us_per_message: 1.0,
            rss_mib: 1.0,
            latency: None,
            lost: 0,
            repeated: 0,
            late: 0,
        }
    }

    #[test]
    fn a_cell_shows_the_median_and_the_spread() {
        let column = &Outcome::COLUMNS[0];
        assert_eq!(spread(column, &[outcome(3000.0), outcome(1000.0), outcome(2000.0)]), "2,000 (1,000–3,000)");
        assert_eq!(spread(column, &[outcome(1.0), outcome(2.0)]), "2 (1–2)");
        assert_eq!(spread(&Outcome::COLUMNS[3], &[outcome(1.0)]), "", "there is no latency");
    }

    #[test]
    fn a_ratio_compares_medians() {
        assert_eq!(ratio(&Outcome::COLUMNS[0], &[outcome(30.0)], &[outcome(10.0), outcome(20.0)]), "2.00");
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        for (figure, decimals, expected) in
            [(0.0, 0, "0"), (999.4, 0, "999"), (1_234_567.0, 0, "1,234,567"), (1234.5, 1, "1,234.5")]
        {
            assert_eq!(grouped(figure, decimals), expected);
        }
    }
}
