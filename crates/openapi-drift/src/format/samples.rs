//! Handmade reports for tests.

use serde_json::{Value, json};

use crate::{
    document::Position,
    findings::{Finding, Ignored, Report, Side, Witness},
    rules::{Wire, rule, rules},
};

/// A finding with the defaults of its rule.
pub(crate) fn finding(id: &str) -> Finding {
    let rule = rule(id).unwrap();
    Finding {
        rule,
        fingerprint: format!("{:0>16}", id.len()),
        wire: rule.wire,
        old_pointer: "/paths/~1a/post".to_owned(),
        new_pointer: "/paths/~1a/post".to_owned(),
        old_position: Position {
            line: 12,
            column: 9,
        },
        new_position: Position {
            line: 14,
            column: 9,
        },
        old: None,
        new: None,
        reason: rule.summary.to_owned(),
        witness: None,
        operations: vec!["POST /a".to_owned()],
    }
}

/// A finding with an old and a new value.
pub(crate) fn valued(old: Value, new: Value) -> Finding {
    Finding {
        old: Some(old),
        new: Some(new),
        ..finding("request-enum-narrowed")
    }
}

/// A report with these findings.
pub(crate) fn of(findings: Vec<Finding>) -> Report {
    Report::of(findings)
}

/// One finding per rule, each with a different fingerprint.
pub(crate) fn every_rule() -> Vec<Finding> {
    let ids = rules().into_iter().map(|rule| rule.id);
    ids.enumerate()
        .map(|(number, id)| Finding {
            fingerprint: format!("{number:016x}"),
            ..finding(id)
        })
        .collect()
}

/// A report with every kind of content.
pub(crate) fn report() -> Report {
    let pointer = "/paths/~1a/post/requestBody/content/application~1json/schema/properties";
    let mut report = of(vec![
        Finding {
            fingerprint: "1111111111111111".to_owned(),
            old_pointer: format!("{pointer}/output_format/enum"),
            new_pointer: format!("{pointer}/output_format/enum"),
            reason: "`output_format` can no longer be \"png\"".to_owned(),
            witness: Some(Witness {
                accepted_by: Side::Old,
                refused_by: Side::New,
                exchange: json!({"method": "POST", "path": "/a", "request": {
                    "media_type": "application/json", "body": {"output_format": "png"}
                }}),
            }),
            ..valued(json!(["jpeg", "png"]), json!(["jpeg"]))
        },
        Finding {
            fingerprint: "2222222222222222".to_owned(),
            old: Some(json!("^a+$")),
            new: Some(json!("^(a|b)+$")),
            reason: "which texts match the two patterns could not be compared".to_owned(),
            operations: vec!["GET /b".to_owned()],
            wire: Wire::Undecided,
            ..finding("response-pattern-changed")
        },
        Finding {
            fingerprint: "3333333333333333".to_owned(),
            old_pointer: "/servers".to_owned(),
            new_pointer: "/servers/1".to_owned(),
            new: Some(json!({"url": "https://eu.example.org"})),
            operations: Vec::new(),
            ..finding("server-added")
        },
        Finding {
            fingerprint: "4444444444444444".to_owned(),
            old: Some(json!(1)),
            new: Some(json!(2)),
            ..finding("request-default-changed")
        },
        Finding {
            fingerprint: "5555555555555555".to_owned(),
            old: Some(json!("An image")),
            new: Some(json!("An image. ".repeat(40))),
            ..finding("documentation-changed")
        },
        Finding {
            fingerprint: "6666666666666666".to_owned(),
            new: Some(json!({"type": "integer"})),
            ..finding("request-property-added")
        },
    ]);
    report.ignored.push(Ignored {
        fingerprint: "7777777777777777".to_owned(),
        rule: rule("path-removed").unwrap(),
        reason: "nobody ever called it".to_owned(),
        expires: Some("2026-12-31".to_owned()),
    });
    report
}

/// A report of a malicious document.
pub(crate) fn hostile() -> Report {
    let bad = "\u{1b}[31m|`</code></details>\n\n# @everyone #1 [x](http://e.org)\r\n::error::x\u{202e}\u{9b}\\|$";
    let mut report = of(vec![Finding {
        reason: format!("{bad} is no longer allowed"),
        operations: vec![format!("POST /{bad}")],
        old_pointer: format!("/paths/~1{bad}"),
        new_pointer: format!("/paths/~1{bad}"),
        witness: Some(Witness {
            accepted_by: Side::Old,
            refused_by: Side::New,
            exchange: json!({"method": bad, "path": bad, "request": {"body": bad}}),
        }),
        ..valued(json!({ bad: bad }), json!([bad]))
    }]);
    report.ignored.push(Ignored {
        fingerprint: bad.to_owned(),
        rule: rule("path-removed").unwrap(),
        reason: bad.to_owned(),
        expires: Some("2026-12-31".to_owned()),
    });
    report
}

/// Strips ANSI color codes.
pub(crate) fn without_codes(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').unwrap().1);
    }
    plain
}
