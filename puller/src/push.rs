//! A push, told from top to bottom: the blobs that the registry lacks, then the manifest that names them.
//!
//! A blob goes up in one piece: `HEAD` asks whether it is there, `POST` opens an upload, `PUT` sends and closes it. Where an
//! attempt fails, the same request is made again, as the policy says. `POST` and `PUT` are one attempt: an upload that broke
//! off has a part of the blob already, or is gone, so it takes a new one.
//!
//! Source: distribution-spec, "Pushing blobs", "POST then PUT", and "Pushing manifests".

use std::sync::Arc;

use http::{Method, header::LOCATION};
use oci::{Digest, Endpoint, ImageReference, MediaType, Scope};
use testbed::{
    clock::Participant,
    net::Vantage,
    task::{Credentials, FailureKind, PullFailure},
};
use url::Url;

use crate::{
    client::RequestKind,
    failure::Trouble,
    listing::{Looked, looked},
    local_image::{LocalBlob, LocalImage},
    puller::Settings,
    session::{Attempts, Cost, Session},
    transport::{Ask, text},
};

/// Push this image, there, with these credentials.
#[derive(Clone, Debug)]
pub struct PushTask {
    /// Where to, and under which tag or digest.
    pub image: ImageReference,
    /// What is pushed.
    pub content: LocalImage,
    /// What to log in with; none is an anonymous push.
    pub credentials: Option<Credentials>,
    /// From where.
    pub from: Vantage,
}

/// Carries out a task.
pub(crate) async fn run(
    settings: &Settings,
    participant: &Participant,
    task: &PushTask,
) -> Result<Looked<Digest>, PullFailure> {
    let PushTask { image, credentials, from, .. } = task;
    let scope = Scope::push(image.repository());
    let cost = Arc::new(Cost::default());
    let session = Session::open(settings, image.host(), scope, from, credentials.as_ref(), None, &cost)?;
    looked(&cost, push(&session, participant, task).await)
}

async fn push(session: &Session, participant: &Participant, task: &PushTask) -> Result<Digest, PullFailure> {
    let PushTask { image, content, .. } = task;
    for blob in &content.blobs {
        push_blob(session, participant, image, blob).await?;
    }
    let endpoint = Endpoint::Manifest { repository: image.repository().clone(), reference: image.reference() };
    let body = Some((content.media_type.clone(), content.manifest.clone()));
    session
        .send(participant, &Ask { body, ..Ask::new(RequestKind::Push, Method::PUT, session.url(&endpoint)) })
        .await?;
    Ok(content.digest())
}

async fn push_blob(
    session: &Session,
    participant: &Participant,
    image: &ImageReference,
    blob: &LocalBlob,
) -> Result<(), PullFailure> {
    let repository = image.repository().clone();
    let at = session.url(&Endpoint::Blob { repository: repository.clone(), digest: blob.digest.clone() });
    match session.send(participant, &Ask::new(RequestKind::Push, Method::HEAD, at)).await {
        Ok(_) => return Ok(()),
        Err(failure) if failure.kind == FailureKind::NotFound => {}
        Err(failure) => return Err(failure),
    }

    let open = Ask::new(RequestKind::Push, Method::POST, session.url(&Endpoint::Uploads { repository }));
    let mut attempts = Attempts::new(session, participant, &open);
    loop {
        match upload(session, participant, &open, blob).await {
            Ok(()) => return Ok(()),
            Err(trouble) => attempts.wait_after(trouble).await?,
        }
    }
}

/// One attempt: opens an upload, and sends the blob there.
async fn upload(session: &Session, participant: &Participant, open: &Ask, blob: &LocalBlob) -> Result<(), Trouble> {
    let opened = session.exchange(participant, open).await?;
    let location = text(opened.headers(), LOCATION).and_then(|location| open.url.join(location).ok());
    let Some(upload) = location else {
        let message = format!("{}: the registry opened an upload and does not say where", open.name());
        return Err(Trouble::last(FailureKind::Protocol, message));
    };

    let body = Some((MediaType::OCTET_STREAM, blob.bytes.clone()));
    session
        .exchange(participant, &Ask { body, ..Ask::new(RequestKind::Push, Method::PUT, closing(upload, &blob.digest)) })
        .await?;
    Ok(())
}

/// The URL that closes an upload. What the registry put into its query stays there.
fn closing(mut upload: Url, digest: &Digest) -> Url {
    upload.query_pairs_mut().append_pair("digest", digest.as_str());
    upload
}
