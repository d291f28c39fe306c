//! `kontext-mock serve`: the mock until it is told to stop.

use std::{error::Error, io, process::ExitCode};

use kontext_mock::{MockServer, StartError};

use crate::{command_line::ServeArguments, output};

pub(crate) fn run(arguments: ServeArguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&error),
    };
    match runtime.block_on(serve(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = output::fail(&*error);
            match error.downcast_ref() {
                Some(StartError::Disagreement(_)) => output::DISAGREEMENT.into(),
                _ => code,
            }
        }
    }
}

async fn serve(arguments: ServeArguments) -> Result<(), Box<dyn Error>> {
    // Before the line that says the server is up, so that whoever waits for it
    // may stop the server from then on.
    let stopped = stop_signal()?;
    let mut builder = MockServer::builder()
        .listen(arguments.listen)
        .match_mode(arguments.match_mode)
        .body_limit(arguments.body_limit)
        .log_requests(true);
    if let Some(folder) = arguments.recordings {
        builder = builder.recordings(folder);
    }
    if let Some(key) = arguments.key {
        builder = builder.key(key);
    }
    let server = builder.start().await?;
    output::print(&format!("kontext-mock listening on {}\n", server.url()))?;
    stopped.await;
    server.stop().await;
    Ok(())
}

/// Completes at SIGTERM or Ctrl-C; the signals are caught from the call on.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Completes at Ctrl-C, which is caught from the call on.
#[cfg(windows)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
