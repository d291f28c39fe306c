//! Texts of the provider as Rust documentation.

/// Brings a text in a form in which rustdoc shows it as it is: what looks like
/// HTML or a link stays text, and code is never run as a test.
#[must_use]
pub fn text(provider: &str) -> String {
    let mut is_code = false;
    let lines: Vec<String> = provider
        .lines()
        .map(|line| {
            // Four spaces in front would make code of a line, and a test of that.
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
    use super::text;

    #[test]
    fn nothing_of_the_provider_is_markup_or_a_test() {
        assert_eq!(
            text("Use <model> as in [here].\n    curl\n```bash\ncurl <url>"),
            "Use &lt;model> as in \\[here].\ncurl\n```text\ncurl <url>\n```"
        );
    }
}
