//! Two servers under the same load, in turn.

use crate::{
    Effort, Result, exchange, generator,
    generator::Outcome,
    process::Server,
    statistics::Summary,
    system::ProcessorTime,
    table::{Goal, Row},
    template::Template,
};

/// One server under one load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) outcome: Outcome,
    /// Processor time of the server per request, in microseconds.
    pub(crate) processor: Option<f64>,
}

/// Loads a server, and measures it.
fn sample(server: &Server, template: &Template, requests: u64) -> Result<Sample> {
    generator::run(server.address, template, requests / 20)?;
    let before = ProcessorTime::of(server.id());
    let outcome = generator::run(server.address, template, requests)?;
    let processor = ProcessorTime::of(server.id())
        .zip(before)
        .map(|(after, before)| after.since(&before).as_secs_f64() * 1e6 / requests as f64);
    Ok(Sample { outcome, processor })
}

/// Fails unless the mock answers a request as the template says.
pub(crate) fn assure(server: &Server, template: &Template) -> Result<()> {
    let (bytes, _) = template.bytes(server.address)?;
    let answer = exchange::send(server.address, &bytes)?;
    let found = answer.header("x-kontext-match");
    if answer.status != template.status || found != template.found {
        return Err(format!(
            "expected {} and the match {:?}, received {} and {found:?}",
            template.status, template.found, answer.status
        )
        .into());
    }
    Ok(())
}

/// What two servers came to, pair by pair: the first is what is measured, the
/// second what it is measured by.
#[derive(Debug)]
pub(crate) struct Comparison(Vec<(Sample, Sample)>);

/// A number of a sample.
type Number = fn(&Sample) -> Option<f64>;

pub(crate) const REQUESTS: Number = |sample| Some(sample.outcome.requests_per_second);
pub(crate) const P50: Number = |sample| Some(sample.outcome.p50);
pub(crate) const P99: Number = |sample| Some(sample.outcome.p99);
pub(crate) const PROCESSOR: Number = |sample| sample.processor;
const BUSY: Number = |sample| sample.outcome.busy;

impl Comparison {
    /// Loads two servers in turn, so that what else the machine does meets
    /// both.
    pub(crate) fn run(
        first: (&Server, &Template),
        second: (&Server, &Template),
        effort: Effort,
    ) -> Result<Self> {
        for (server, template) in [first, second] {
            generator::run(server.address, template, effort.requests / 4)?;
        }
        let mut pairs = Vec::new();
        for round in 0..effort.pairs {
            let take = |(server, template)| sample(server, template, effort.requests);
            pairs.push(if round % 2 == 0 {
                let left = take(first)?;
                (left, take(second)?)
            } else {
                let right = take(second)?;
                (take(first)?, right)
            });
        }
        Ok(Self(pairs))
    }

    /// The ratio of a number of the first server to that of the second.
    fn ratio(&self, number: Number) -> Option<Summary> {
        Summary::of(
            self.0
                .iter()
                .filter_map(|(first, second)| Some(number(first)? / number(second)?)),
        )
    }

    /// The medians of a number of both servers.
    fn medians(&self, number: Number) -> Option<(f64, f64)> {
        let first = Summary::of(self.0.iter().filter_map(|(first, _)| number(first)))?;
        let second = Summary::of(self.0.iter().filter_map(|(_, second)| number(second)))?;
        Some((first.median, second.median))
    }

    /// A line for the ratio of a number in a unit; `names` are those of the two
    /// servers.
    pub(crate) fn row(
        &self,
        what: &str,
        goal: Goal,
        number: Number,
        unit: &str,
        names: [&str; 2],
    ) -> Row {
        let row = Row::new(what, goal, "", 3);
        let (Some(ratio), Some((first, second))) = (self.ratio(number), self.medians(number))
        else {
            return row;
        };
        let decimals = if first < 1000.0 { 1 } else { 0 };
        let shown = |value| crate::statistics::grouped(value, decimals);
        row.value(Some(ratio.median))
            .spread(ratio.least, ratio.greatest)
            .details(format!(
                "{} {} {unit}, {} {} {unit}",
                names[0],
                shown(first),
                names[1],
                shown(second)
            ))
    }

    /// How busy the generator was, which limits what a server can show.
    pub(crate) fn busy(&self) -> String {
        self.medians(BUSY)
            .map_or_else(String::new, |(first, second)| {
                format!(
                    "; generator busy {:.0} % and {:.0} %",
                    first * 100.0,
                    second * 100.0
                )
            })
    }
}
