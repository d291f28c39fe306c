//! The pictures that the mock serves: those kept with recordings, and those
//! that it draws.

use std::sync::Arc;

use axum::{
    body::Bytes,
    http::{
        HeaderValue, Method, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
        request::Parts,
    },
};

use super::failure::Failure;
use crate::{headers, loaded::Set, mock::Mock, picture::Picture, reply::Reply};

/// Serves `generated/<token>.png`, or `<operation>/<case>/<file>`.
pub(super) async fn serve(mock: &Arc<Mock>, parts: &Parts, name: &str) -> Reply {
    let file = if !matches!(parts.method, Method::GET | Method::HEAD) {
        Err(Failure::method("GET, HEAD"))
    } else if let Some(token) = name.strip_prefix("generated/") {
        generated(token).await
    } else {
        recorded(&mock.loaded().set, name).ok_or_else(unknown)
    };
    let mut reply = file.unwrap_or_else(Failure::into_reply);
    // A page may show the pictures that its answers name.
    headers::add_cors(&mut reply.headers, &parts.headers);
    reply
}

fn unknown() -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        "no recording keeps such a file; the answers of the mock name those that there are",
    )
}

/// Draws a picture, which takes long enough to do it beside other requests.
async fn generated(token: &str) -> Result<Reply, Failure> {
    let picture = Picture::from_file_name(token).ok_or_else(unknown)?;
    let media_type = picture.format.content_type();
    match tokio::task::spawn_blocking(move || picture.render()).await {
        Ok(Ok(bytes)) => Ok(Reply::new(StatusCode::OK, media_type, bytes)),
        _ => Err(Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the picture could not be drawn",
        )),
    }
}

fn recorded(set: &Set, name: &str) -> Option<Reply> {
    let (recording, file) = name.rsplit_once('/')?;
    let recording = set.recordings.get(recording)?;
    let file = recording.files().iter().find(|one| one.file() == file)?;
    let content: Bytes = file.content();
    let mut reply = Reply {
        status: StatusCode::OK,
        body: content,
        ..Reply::default()
    };
    let length = reply.body.len();
    reply.headers.insert(CONTENT_LENGTH, length.into());
    if let Ok(media_type) = HeaderValue::from_str(file.content_type()) {
        reply.headers.insert(CONTENT_TYPE, media_type);
    }
    Some(reply)
}
