//! The mock under load, beside axum.

use std::fs::File;

use memchr::memmem;

use crate::{
    Effort, Result,
    comparison::{self, Comparison, P99, PROCESSOR, REQUESTS},
    exchange,
    process::Server,
    table::{Goal, Row},
    template::{self, Template},
};

pub(crate) fn rows(effort: Effort) -> Result<Vec<Row>> {
    // With validation and the journal, as the goal has it, and without a line on
    // standard error per request, which has rows of its own below.
    let mock = Server::mock_with(None, &["--quiet"], None)?;
    let bare = Server::bare(0)?;
    let mut rows = Vec::new();

    let exact = Template::exact();
    comparison::assure(&mock, &exact)?;
    let goals = [Goal::AtLeast(0.90), Goal::AtMost(1.2), Goal::AtMost(1.5)];
    let none = [Goal::None; 3];
    let mut beside = |kind: &str, mock: &Server, bare: &Server, template: &Template, goals| {
        let compared = Comparison::run((mock, template), (bare, &template.for_bare()), effort)?;
        rows.extend(lines(&compared, kind, goals));
        Result::Ok(())
    };
    beside("", &mock, &bare, &exact, goals)?;

    // One thread spares itself the handing over between threads, so it is the
    // harder one to keep up with where processors are few.
    let single = Server::bare(1)?;
    beside(", beside axum on one thread", &mock, &single, &exact, none)?;
    drop(single);

    let loud = Server::mock(None)?;
    comparison::assure(&loud, &exact)?;
    beside(", with its log", &loud, &bare, &exact, none)?;
    drop(loud);

    for (kind, template) in [
        (", no two bodies alike", Template::varied()),
        (", refused by the contract", Template::refused()),
    ] {
        comparison::assure(&mock, &template)?;
        beside(kind, &mock, &bare, &template, none)?;
    }
    drop(bare);

    assure_journal(&mock)?;
    drop(mock);

    let folder = tempfile::tempdir()?;
    let log = File::create(folder.path().join("log"))?;
    let logging = Server::mock_with(None, &[], Some(log))?;
    let quiet = Server::mock_with(None, &["--quiet"], None)?;
    let compared = Comparison::run((&logging, &exact), (&quiet, &exact), effort)?;
    rows.push(compared.row(
        "processor time per request, log to a file beside --quiet",
        Goal::None,
        PROCESSOR,
        "µs",
        ["file", "quiet"],
    ));
    Ok(rows)
}

/// Fails unless the mock has kept a journal of the load.
fn assure_journal(mock: &Server) -> Result<()> {
    let request = format!(
        "GET /__mock/requests HTTP/1.1\r\nhost: {}\r\n\r\n",
        mock.address
    );
    let answer = exchange::send(mock.address, request.as_bytes())?;
    match memmem::find(&answer.body, template::PATH.as_bytes()) {
        Some(_) if answer.status == 200 => Ok(()),
        _ => Err("the mock kept no journal of what was measured".into()),
    }
}

fn lines(compared: &Comparison, kind: &str, goals: [Goal; 3]) -> Vec<Row> {
    let names = ["mock", "axum"];
    let [requests, processor, p99] = goals;
    let mut first = compared.row(
        &format!("requests/s at 32 connections{kind}"),
        requests,
        REQUESTS,
        "per s",
        names,
    );
    first.details.push_str(&compared.busy());
    vec![
        first,
        compared.row(
            &format!("processor time per request{kind}"),
            processor,
            PROCESSOR,
            "µs",
            names,
        ),
        compared.row(
            &format!("p99 at 32 connections{kind}"),
            p99,
            P99,
            "µs",
            names,
        ),
    ]
}
