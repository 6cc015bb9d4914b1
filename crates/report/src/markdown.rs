//! Markdown of a report.

use crate::chart::Chart;
use crate::document::{Block, CheckView, Document, Finding};
use crate::table::{Cell, Table};
use std::fmt::Write as _;

pub(crate) fn text(document: &Document) -> String {
    let mut text = format!("# {}\n\n", escape(&document.title));
    for paragraph in &document.summary {
        let _ = writeln!(text, "{}\n", escape(paragraph));
    }
    if let Some(overview) = &document.overview {
        table(&mut text, overview);
    }
    for [what, value, sure] in &document.headline {
        let _ = writeln!(text, "- {}: **{}** ({})", escape(what), escape(value), escape(sure));
    }
    if !document.headline.is_empty() {
        text.push('\n');
    }
    for (verdict, notice) in &document.notices {
        let _ = writeln!(text, "> **{verdict}** {}\n", escape(notice));
    }
    for section in &document.sections {
        let _ = writeln!(text, "## {}\n", section.title);
        section.blocks.iter().for_each(|part| block(&mut text, part));
    }
    let controls = |c: char| c.is_control() && c != '\n';
    text.replace(controls, "\u{FFFD}").trim_end().to_string() + "\n"
}

fn block(text: &mut String, block_: &Block) {
    match block_ {
        Block::Text(paragraph) => {
            let _ = writeln!(text, "{}\n", escape(paragraph));
        }
        Block::Table(table_) | Block::Overview(table_) => table(text, table_),
        Block::Charts(charts) => charts.iter().for_each(|one| chart(text, one)),
        Block::Gallery(examples) => {
            for example in examples {
                let captions = example.images.iter().map(|(_, caption)| caption.as_str());
                let captions: Vec<&str> = captions.collect();
                let line = format!("{}; {}", example.title, captions.join("; "));
                let _ = writeln!(text, "- {}", escape(&line));
            }
            text.push_str("\nThe images are in report.html.\n\n");
        }
        Block::Checks(checks) => checks.iter().for_each(|check| check_view(text, check)),
        Block::Code(code) => {
            let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or(0);
            let fence = "`".repeat(longest.max(2) + 1);
            let _ = writeln!(text, "{fence}\n{code}\n{fence}\n");
        }
        Block::Fold(summary, blocks) => {
            let summary = as_html(summary);
            let _ = writeln!(text, "<details>\n<summary>{summary}</summary>\n");
            blocks.iter().for_each(|part| block(text, part));
            text.push_str("</details>\n\n");
        }
    }
}

fn chart(text: &mut String, Chart { id, title, note, source, .. }: &Chart) {
    let title = escape(title);
    let verdict = source.as_ref().map_or(String::new(), |s| format!(" Check: **{}**.", s.verdict));
    let _ = writeln!(text, "![{title}](figures/{id}.svg)\n");
    let note = if note.is_empty() { String::new() } else { format!(" {}", escape(note)) };
    let _ = writeln!(text, "{title}.{note}{verdict} Numbers: [data/{id}.csv](data/{id}.csv)\n");
}

fn check_view(text: &mut String, check: &CheckView) {
    let _ = writeln!(text, "### {}\n", escape(&check.name));
    for Finding { model, verdict, measured, sight, cost } in &check.findings {
        let model = model.as_ref().map_or(String::new(), |model| format!("{}: ", escape(model)));
        let sight = sight.as_ref().map_or(String::new(), |sight| format!("{} ", escape(sight)));
        let [measured, cost] = [measured, cost].map(|part| escape(part));
        let _ = writeln!(text, "- **{verdict}** {model}{measured} ({sight}{cost})");
    }
    let _ = writeln!(text, "\nRaised if: {}\n", escape(&check.raised_if));
    let _ = writeln!(text, "What to do: {}\n", escape(&check.advice));
    for (id, title) in &check.figures {
        let _ = writeln!(text, "Figure: [{}](figures/{id}.svg)\n", escape(title));
    }
}

fn table(text: &mut String, table: &Table) {
    let _ = writeln!(text, "{}:\n", escape(&table.caption));
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    *text += &line(table.columns.iter().map(|column| escape(column)).collect());
    let rule = |column| if column > 0 && table.is_numeric(column) { "---:" } else { "---" };
    *text += &line((0..table.columns.len()).map(|column| rule(column).to_string()).collect());
    for row in &table.rows {
        *text += &line(
            row.iter()
                .map(|cell| match cell {
                    Cell::Missing => "-".to_string(),
                    cell => escape(&cell.text()),
                })
                .collect(),
        );
    }
    text.push('\n');
}

/// Escapes text within an HTML element, in which Markdown has no meaning.
fn as_html(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Escapes text, so that no letter has a meaning in Markdown or HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        if "\\`*_[]<>|#~&$!".contains(c) || (escaped.is_empty() && "-+=".contains(c)) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    // A number and a point at the beginning would start a list.
    let digits = escaped.chars().take_while(char::is_ascii_digit).count();
    let marked = |mark| {
        escaped[digits..]
            .strip_prefix(mark)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    if digits > 0 && (marked('.') || marked(')')) {
        escaped.insert(digits, '\\');
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_that_was_written_is_read_as_markdown() {
        assert_eq!(escape("a | b\n<b> `c` [d](e)"), "a \\| b \\<b\\> \\`c\\` \\[d\\](e)");
        assert_eq!((escape("1. one"), escape("- one")), ("1\\. one".into(), "\\- one".into()));
        assert_eq!(escape("29.8 (23.2–37.4)"), "29.8 (23.2–37.4)");
    }
}
