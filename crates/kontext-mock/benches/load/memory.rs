//! How much memory the mock takes.

use crate::{
    Result, generator,
    start::first_answer,
    system,
    table::{Goal, Row},
    template::Template,
};

/// How many requests come between two looks.
const STEP: u64 = 100_000;

/// Up to how many megabytes two looks count as the same: what an allocator
/// keeps for itself varies by so much.
const FLAT: f64 = 1.0;

pub(crate) fn rows() -> Result<Vec<Row>> {
    let (server, _) = first_answer(None, &Template::exact())?;
    let idle = system::memory(server.id());
    let mut looks = Vec::new();
    for _ in 0..2 {
        // Of every kind, so that neither a cache nor a journal is spared.
        for (template, percent) in [
            (Template::exact(), 40),
            (Template::varied(), 40),
            (Template::refused(), 20),
        ] {
            generator::run(server.address, &template, STEP / 100 * percent)?;
        }
        looks.push(system::memory(server.id()));
    }
    let after = |look: usize| looks.get(look).copied().flatten();
    let now = |memory: Option<(f64, f64)>| memory.map(|(now, _)| now);
    let growth = now(after(1))
        .zip(now(after(0)))
        .map(|(last, first)| last - first);
    let mut last =
        Row::new("memory after 200,000 requests", Goal::AtMost(25.0), "MB", 1).value(now(after(1)));
    if let Some((_, most)) = after(1) {
        last = last.details(format!(
            "40 % exact, 40 % with a body of their own, 20 % refused; at most {most:.1} MB"
        ));
    }
    Ok(vec![
        Row::new("memory, idle", Goal::AtMost(12.0), "MB", 1)
            .value(now(idle))
            .details("resident, after the first answer"),
        last,
        Row::new(
            "memory, growth from 100,000 to 200,000 requests",
            Goal::AtMost(FLAT),
            "MB",
            2,
        )
        .value(growth),
    ])
}
