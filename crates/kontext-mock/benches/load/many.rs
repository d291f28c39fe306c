//! Folders of 10 and of 10,000 recordings.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    Effort, Result,
    comparison::{self, Comparison, P50, PROCESSOR},
    process::Server,
    start::{answered, first_answer, milliseconds},
    statistics::Summary,
    table::{Goal, Row},
    template::{self, Template},
};

const FEW: u64 = 10;
const MANY: u64 = 10_000;

/// Up to which ratio an exact match costs the same: two servers with the same
/// recordings were up to 1.02 apart in processor time.
const SAME: f64 = 1.05;

/// The same for p50, which other work on the machine disturbs more: those two
/// were up to 1.13 apart.
const SAME_P50: f64 = 1.15;

pub(crate) fn rows(effort: Effort) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let few = recordings(folder.path(), FEW)?;
    let many = recordings(folder.path(), MANY)?;
    let requests = Template::recorded(FEW);

    let mut starts = Vec::new();
    let mut unwatched = Vec::new();
    for _ in 0..effort.starts.div_ceil(3) {
        starts.push(first_answer(Some(&many), &requests)?.1);
        let server = Server::mock_with(Some(&many), &["--no-watch"], None)?;
        unwatched.push(answered(server, &requests)?.1);
    }
    let unwatched = Summary::of_times(&unwatched).map_or(0.0, |times| times.median);
    let start = milliseconds(
        "10,000 recordings, start to first answer",
        Goal::AtMost(1000.0),
        0,
        &starts,
    );

    let few = Server::mock(Some(&few))?;
    let many = Server::mock(Some(&many))?;
    let all = Template::recorded(MANY);
    comparison::assure(&few, &requests)?;
    comparison::assure(&many, &all)?;
    let names = ["10,000", "10"];
    let same = Comparison::run((&many, &requests), (&few, &requests), effort)?;
    let through = Comparison::run((&many, &all), (&few, &requests), effort)?;
    Ok(vec![
        start.details(format!(
            "median of {} starts; with --no-watch {unwatched:.0} ms",
            starts.len()
        )),
        same.row(
            "10,000 recordings, processor time per exact match, beside 10",
            Goal::AtMost(SAME),
            PROCESSOR,
            "µs",
            names,
        ),
        same.row(
            "10,000 recordings, p50 of an exact match, beside 10",
            Goal::AtMost(SAME_P50),
            P50,
            "µs",
            names,
        ),
        through.row(
            "10,000 recordings, processor time, each of them in turn",
            Goal::None,
            PROCESSOR,
            "µs",
            names,
        ),
    ])
}

/// Writes a folder of so many recordings, which are alike but for the number
/// in their prompt.
fn recordings(folder: &Path, count: u64) -> Result<PathBuf> {
    let folder = folder.join(count.to_string());
    let mut recording: Value = serde_json::from_str(template::RECORDING)?;
    if let Some(recording) = recording.as_object_mut() {
        // Ten thousand copies of one picture would be measured otherwise.
        recording.remove("files");
    }
    let recording = format!("{recording:#}\n");
    for number in 0..count {
        let case = folder.join(format!("generate-image/take-{}", template::digits(number)));
        fs::create_dir_all(&case)?;
        fs::write(case.join("recording.json"), &recording)?;
        for (file, text) in [
            ("request.json", template::REQUEST),
            ("response.json", template::RESPONSE),
        ] {
            fs::write(case.join(file), template::with_number(text, number))?;
        }
    }
    Ok(folder)
}
