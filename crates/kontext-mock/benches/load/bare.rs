//! What the mock is measured against: axum, and one route that reads the
//! request's body and answers with a text that is always the same.

use std::{
    io::{self, Read as _},
    net::Ipv4Addr,
    process::ExitCode,
    thread,
};

use axum::{
    Router, body::Bytes, extract::DefaultBodyLimit, http::header::CONTENT_TYPE,
    response::IntoResponse, routing::post, serve::ListenerExt as _,
};

use crate::{Result, say, template};

/// Serves until standard input ends, which it does when the process that
/// started this one is gone.
pub(crate) fn run(workers: usize) -> Result<ExitCode> {
    let mut builder = match workers {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if workers > 1 {
        builder.worker_threads(workers);
    }
    thread::spawn(|| {
        let _ = io::stdin().lock().read(&mut [0]);
        std::process::exit(0);
    });
    builder.enable_all().build()?.block_on(serve())?;
    Ok(ExitCode::SUCCESS)
}

async fn serve() -> Result<()> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    say(&format!(
        "bare listening on http://{}\n",
        listener.local_addr()?
    ));
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let router = Router::new()
        .route(template::PATH, post(answer))
        .layer(DefaultBodyLimit::disable());
    axum::serve(listener, router).await?;
    Ok(())
}

async fn answer(_body: Bytes) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], template::RESPONSE)
}
