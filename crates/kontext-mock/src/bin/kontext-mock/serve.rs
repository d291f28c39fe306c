//! `kontext-mock serve`: the mock until it is told to stop.

use std::{error::Error, process::ExitCode, time::Duration};

use kontext_mock::{Builder, Generate, MockServer, StartError, WatchMode};

use crate::{
    command_line::{ServeArguments, Watch},
    output,
    port_file::PortFile,
    signals::Signals,
};

/// How long requests in flight are waited for; a second signal ends that.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(arguments: ServeArguments) -> ExitCode {
    let fail_on_miss = arguments.fail_on_miss;
    match block_on(serve(arguments)) {
        Ok(misses) if fail_on_miss && misses > 0 => output::MISSED.into(),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            let code = output::fail(&*error);
            match error.downcast_ref() {
                Some(StartError::Disagreement(_)) => output::DISAGREEMENT.into(),
                _ => code,
            }
        }
    }
}

/// Runs a future on this thread.
pub(crate) fn block_on<T>(
    future: impl Future<Output = Result<T, Box<dyn Error>>>,
) -> Result<T, Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(future)
}

/// Serves, and returns how many requests no recording answered.
async fn serve(arguments: ServeArguments) -> Result<u64, Box<dyn Error>> {
    // Before the line that says the server is up, so that whoever waits for it
    // may stop the server from then on.
    let mut signals = Signals::catch()?;
    let port_file = arguments.port_file.clone();
    let mut server = builder(arguments).start().await?;
    for stale in server.stale() {
        output::note(&format!(
            "{stale} was made under an older contract; record it again, or look at it and put \
             the new hash into its recording.json"
        ));
    }
    let port_file = match port_file {
        Some(path) => Some(PortFile::write(&path, server.address().port())?),
        None => None,
    };
    output::print(&format!("kontext-mock listening on {}\n", server.url()))?;
    signals.next().await;
    drop(port_file);
    tokio::select! {
        () = server.drain(PATIENCE) => {}
        () = signals.next() => {}
    }
    let misses = server.miss_count();
    report(misses, &server.unused());
    Ok(misses)
}

fn builder(arguments: ServeArguments) -> Builder {
    let mut generate = Generate::default().with_seed(arguments.seed);
    generate = generate.with_shape(arguments.shape);
    let mut builder = MockServer::builder()
        .listen(arguments.listen)
        .match_mode(arguments.match_mode)
        .validation(arguments.validation)
        .generate(generate)
        .keep_urls(arguments.keep_urls)
        .body_limit(arguments.body_limit)
        .watch(match arguments.watch {
            _ if arguments.no_watch => WatchMode::Off,
            Watch::Auto => WatchMode::Auto,
            Watch::Poll => WatchMode::Poll,
        })
        .log_requests(!arguments.quiet);
    for fault in arguments.faults {
        builder = builder.fault(fault);
    }
    if let Some(folder) = arguments.recordings {
        builder = builder.recordings(folder);
    }
    if let Some(key) = arguments.key {
        builder = builder.key(key);
    }
    builder
}

/// Says at the end what a person would look for.
fn report(misses: u64, unused: &[String]) {
    if misses > 0 {
        output::note(&format!("requests that no recording answered: {misses}"));
    }
    if !unused.is_empty() {
        let shown = unused
            .iter()
            .take(20)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        let more = match unused.len().saturating_sub(20) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        output::note(&format!(
            "recordings that answered no request: {shown}{more}"
        ));
    }
}
