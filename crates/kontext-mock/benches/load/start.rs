//! How long starting and stopping take.

use std::{
    net::TcpStream,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    Effort, Result, embedded, exchange,
    process::{Server, role},
    statistics::Summary,
    table::{Goal, Row},
    template::Template,
};

/// Starts the mock, and returns how long that took to the end of the first
/// answer.
pub(crate) fn first_answer(
    recordings: Option<&Path>,
    template: &Template,
) -> Result<(Server, Duration)> {
    answered(Server::mock(recordings)?, template)
}

/// Waits for the first answer of a server that has been started.
pub(crate) fn answered(server: Server, template: &Template) -> Result<(Server, Duration)> {
    let (bytes, _) = template.bytes(server.address)?;
    let answer = exchange::send(server.address, &bytes)?;
    let time = server.spawned.elapsed();
    if answer.status != template.status {
        return Err(format!("the first answer has the status {}", answer.status).into());
    }
    Ok((server, time))
}

/// Start to first answer, as a process.
pub(crate) fn process(effort: Effort) -> Result<Vec<Row>> {
    let template = Template::exact();
    let mut mock = Vec::new();
    let mut bare = Vec::new();
    for _ in 0..effort.starts {
        mock.push(first_answer(None, &template)?.1);
        bare.push(answered(Server::bare(0)?, &template.for_bare())?.1);
    }
    let row = milliseconds(
        "start to first answer, as a process",
        Goal::AtMost(20.0),
        1,
        &mock,
    );
    let bare = Summary::of_times(&bare).map_or(0.0, |bare| bare.median);
    Ok(vec![row.details(format!(
        "median of {} starts; axum {bare:.1} ms",
        effort.starts
    ))])
}

/// A hundred servers in one process.
pub(crate) fn embedded(effort: Effort) -> Result<Vec<Row>> {
    let mut reports = Vec::new();
    for _ in 0..effort.embedding {
        reports.push(embedded::Report::read(&role("embedded")?)?);
    }
    let summary = |number: fn(&embedded::Report) -> f64| Summary::of(reports.iter().map(number));
    let mut each = Row::new(
        "embedded start, each of 100 in one process",
        Goal::AtMost(0.1),
        "ms",
        4,
    );
    if let (Some(first), Some(cold), Some(again), Some(dropped)) = (
        summary(|report| report.start),
        summary(|report| report.cold),
        summary(|report| report.again),
        summary(|report| report.dropped),
    ) {
        each = each
            .value(Some(first.median))
            .spread(first.least, first.greatest)
            .details(format!(
                "mean of 100 with the first, alone {:.2} ms; of 100 more {:.4} ms; drop {:.4} ms each; median of {} processes",
                cold.median, again.median, dropped.median, effort.embedding
            ));
    }
    let mut left = Row::new(
        "embedded, threads and open files left after the drop",
        Goal::AtMost(0.0),
        "",
        0,
    );
    let worst = reports
        .iter()
        .filter_map(|report| report.counts)
        .max_by_key(embedded::Counts::left);
    if let Some(counts) = worst {
        left = left
            .value(Some(counts.left() as f64))
            .details(counts.to_string());
    }
    Ok(vec![each, left])
}

/// Stop on SIGTERM, idle.
pub(crate) fn stop(effort: Effort) -> Result<Vec<Row>> {
    const WHAT: &str = "stop on SIGTERM, idle";
    const GOAL: Goal = Goal::AtMost(100.0);
    if !cfg!(unix) {
        return Ok(vec![Row::new(WHAT, GOAL, "ms", 1)]);
    }
    let mut alone = Vec::new();
    let mut connected = Vec::new();
    for _ in 0..effort.starts {
        alone.push(stop_once(false)?);
        connected.push(stop_once(true)?);
    }
    let slower = |times: &[Duration]| Summary::of_times(times).map_or(0.0, |times| times.median);
    let details = format!(
        "without a connection {:.1} ms, with an idle one {:.1} ms, the greater counts; with the start of `kill`",
        slower(&alone),
        slower(&connected)
    );
    let times = if slower(&alone) > slower(&connected) {
        alone
    } else {
        connected
    };
    Ok(vec![milliseconds(WHAT, GOAL, 1, &times).details(details)])
}

fn stop_once(connected: bool) -> Result<Duration> {
    let template = Template::exact();
    let (server, _) = first_answer(None, &template)?;
    let idle = connected
        .then(|| TcpStream::connect(server.address))
        .transpose()?;
    if let Some(stream) = &idle {
        exchange::send_on(stream, &template.bytes(server.address)?.0)?;
    }
    let start = Instant::now();
    let sent = Command::new("kill")
        .args(["-TERM", &server.id().to_string()])
        .status()?;
    let status = server.wait(Duration::from_secs(10))?;
    let time = start.elapsed();
    if !sent.success() || !status.success() {
        return Err(format!("on SIGTERM the mock ended with {status}").into());
    }
    Ok(time)
}

/// A line for the median of some times.
pub(crate) fn milliseconds(what: &str, goal: Goal, decimals: usize, times: &[Duration]) -> Row {
    let row = Row::new(what, goal, "ms", decimals);
    match Summary::of_times(times) {
        Some(times) => row
            .value(Some(times.median))
            .spread(times.least, times.greatest),
        None => row,
    }
}
