//! The provider's texts as Rust documentation.

/// Replaces characters that are invalid in Rust comments or could mislead readers: control
/// characters, lone carriage returns, and bidirectional control characters.
#[must_use]
pub(crate) fn printable(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars()
        .map(|c| match c {
            '\n' => c,
            '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
            | '\u{2028}'
            | '\u{2029}' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

/// Escapes a text so that rustdoc shows it literally: HTML and links stay text, and code
/// blocks never run as doctests.
#[must_use]
pub(crate) fn text(provider: &str) -> String {
    let provider = printable(provider);
    let mut is_code = false;
    let lines: Vec<String> = provider
        .lines()
        .map(|line| {
            // A line indented by four spaces would become a code block and a doctest.
            let line = line.trim();
            if line.starts_with("```") || line.starts_with("~~~") {
                is_code = !is_code;
                return if is_code { "```text" } else { "```" }.to_owned();
            }
            if is_code {
                return line.to_owned();
            }
            line.replace('<', "&lt;").replace('[', "\\[")
        })
        .collect();
    let mut text = lines.join("\n");
    if is_code {
        text.push_str("\n```");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{printable, text};

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(
            printable("a\rb\r\nc\u{202e}d\u{0}e\tf\u{2069}"),
            "a\nb\nc d e f "
        );
    }

    #[test]
    fn escapes_provider_markup_and_code_blocks() {
        assert_eq!(
            text("Use <model> as in [here].\n    curl\n```bash\ncurl <url>"),
            "Use &lt;model> as in \\[here].\ncurl\n```text\ncurl <url>\n```"
        );
    }
}
