//! The table of the benchmark `load`: what it says of a number and its goal.

#[path = "../../benches/load/table.rs"]
mod table;

use serde_json::Value;

use table::{Goal, Outcome, Row, Table};

fn measured(goal: Goal, value: f64) -> Row {
    Row::new("number", goal, "ms", 1).value(Some(value))
}

#[test]
fn a_goal_is_met_up_to_its_limit_and_missed_beyond() {
    for (goal, met, missed) in [
        (Goal::AtMost(20.0), 20.0, 20.01),
        (Goal::AtLeast(0.9), 0.9, 0.8999),
    ] {
        for (value, verdict) in [(met, "met"), (missed, "MISSED"), (f64::NAN, "MISSED")] {
            assert_eq!(measured(goal, value).verdict(), verdict, "{value}");
        }
    }
    assert_eq!(measured(Goal::None, 1.0).verdict(), "");
    let unknown = Row::new("number", Goal::AtMost(1.0), "", 0);
    assert_eq!(unknown.verdict(), "not measured here");
}

#[test]
fn a_table_is_met_only_where_every_goal_was_measured_and_none_is_missed() {
    let outcome = |rows: &[&Row]| {
        let mut table = Table::new(String::new());
        table.rows = rows.iter().copied().cloned().collect();
        table.outcome()
    };
    let met = measured(Goal::AtMost(1.0), 1.0);
    let missed = measured(Goal::AtMost(1.0), 2.0);
    let other = measured(Goal::None, 3.0);
    let elsewhere = Row::new("number", Goal::AtMost(1.0), "", 0);
    let failed = Row::failed("part", &std::io::Error::other("no answer"));
    assert_eq!(outcome(&[&met, &other]), Outcome::Met);
    assert_eq!(outcome(&[&met, &missed]), Outcome::Missed);
    assert_eq!(outcome(&[&failed, &elsewhere, &missed]), Outcome::Missed);
    for rows in [
        &[][..],
        &[&other],
        &[&elsewhere],
        &[&met, &elsewhere],
        &[&met, &failed],
    ] {
        assert_eq!(outcome(rows), Outcome::Undecided, "{rows:?}");
    }
}

#[test]
fn numbers_without_a_goal_stand_below_those_with_one() {
    let mut table = Table::new(String::new());
    let failed = Row::failed("part", &std::io::Error::other("no answer"));
    let goal = measured(Goal::AtMost(1.0), 1.0);
    table.rows = vec![measured(Goal::None, 3.0), failed.clone(), goal.clone()];
    table.sort();
    assert_eq!(
        table.rows,
        [failed.clone(), goal, measured(Goal::None, 3.0)]
    );
    assert!(table.has_failed());
    table.rows.retain(|row| *row != failed);
    assert!(!table.has_failed());
}

#[test]
fn people_and_programs_read_the_same_numbers() {
    let mut table = Table::new("a machine".to_owned());
    table.rows = vec![
        measured(Goal::AtMost(20.0), 7.25)
            .spread(7.0, 31.5)
            .details("two | of\nthem"),
        Row::failed("part", &std::io::Error::other("no answer")),
        Row::new("elsewhere", Goal::AtLeast(0.9), "", 3),
    ];
    assert_eq!(
        table.to_string(),
        "\
a machine

|           | goal    | measured | spread      | verdict           | details |
|-----------|---------|----------|-------------|-------------------|---------|
| number    | ≤ 20 ms | 7.2 ms   | 7.0 to 31.5 | met               | two / of them |
| part      |         |          |             | FAILED            | no answer |
| elsewhere | ≥ 0.9   |          |             | not measured here |  |
"
    );
    let json: Value = serde_json::from_str(&table.to_json()).unwrap();
    assert_eq!(json["outcome"], "undecided");
    assert_eq!(json["rows"][0]["measured"], 7.25);
    assert_eq!(json["rows"][0]["greatest"], 31.5);
    assert_eq!(json["rows"][0]["goal"]["at_most"], 20.0);
    assert_eq!(json["rows"][1]["verdict"], "FAILED");
    assert_eq!(json["rows"][2]["measured"], Value::Null);
}
