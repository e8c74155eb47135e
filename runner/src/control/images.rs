//! `/v1/registries/{name}/images`: what can be pulled. Every tag is told; of those that are made up or read from files, also
//! how.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use mock_registry::{ImageConfig, ImageSource, MockRegistry};
use oci::{RepositoryName, Tag};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    body::{Read, json, ok},
    error::ApiError,
    server::App,
};
use crate::world::with_causes;

/// A tag, and what it names.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ImageEntry {
    /// Repository and tag: `library/alpine:3`.
    pub(super) name: String,
    /// What was asked for, if it is made up or read from a file; what was pushed has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) image: Option<ImageConfig>,
}

/// What images were asked for, by registry and by the name that they have there.
#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<BTreeMap<String, BTreeMap<String, ImageConfig>>>);

pub(super) async fn list(State(app): State<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    Ok(ok(&app.image_entries(app.registry(&name)?).await?))
}

pub(super) async fn replace(
    State(app): State<App>,
    Path(name): Path<String>,
    Read(images): Read<Vec<ImageConfig>>,
) -> Result<Response, ApiError> {
    let registry = app.registry(&name)?;
    let _turn = app.turn.lock().await;
    let sources = sources(registry, &images)?;
    let kept: BTreeSet<_> = sources.iter().map(|(name, _)| name.as_str()).collect();
    for (repository, tag) in tags(registry).await? {
        if !kept.contains(format!("{repository}:{tag}").as_str()) {
            app.take_away(registry, &repository, &tag).await?;
        }
    }
    for (image, (name, source)) in images.iter().zip(&sources) {
        app.put(registry, name, image, source).await?;
    }
    Ok(ok(&app.image_entries(registry).await?))
}

pub(super) async fn add(
    State(app): State<App>,
    Path(name): Path<String>,
    Read(image): Read<ImageConfig>,
) -> Result<Response, ApiError> {
    let registry = app.registry(&name)?;
    let _turn = app.turn.lock().await;
    let (name, source) = source(registry, &image)?;
    app.put(registry, &name, &image, &source).await?;
    Ok(json(StatusCode::CREATED, &app.image_entries(registry).await?))
}

pub(super) async fn clear(State(app): State<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let registry = app.registry(&name)?;
    let _turn = app.turn.lock().await;
    for (repository, tag) in tags(registry).await? {
        app.take_away(registry, &repository, &tag).await?;
    }
    Ok(ok(&app.image_entries(registry).await?))
}

pub(super) async fn remove(
    State(app): State<App>,
    Path((name, image)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let registry = app.registry(&name)?;
    let _turn = app.turn.lock().await;
    let tags = tags(registry).await?;
    let found = tags.iter().find(|(repository, tag)| format!("{repository}:{tag}") == image);
    let Some((repository, tag)) = found else {
        let known: Vec<_> = tags.iter().map(|(repository, tag)| format!("{repository}:{tag}")).collect();
        return Err(ApiError::unknown("image", &image, known.iter().map(String::as_str)));
    };
    app.take_away(registry, repository, tag).await?;
    Ok(ok(&app.image_entries(registry).await?))
}

impl Asked {
    /// Notes that the registry has `image`, called `name`.
    pub(super) fn note(&self, registry: &MockRegistry, name: &str, image: &ImageConfig) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = asked.entry(String::from(registry.name())).or_default();
        of.insert(String::from(name), image.clone());
    }

    fn forget(&self, registry: &MockRegistry, name: &str) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = asked.get_mut(registry.name()) {
            of.remove(name);
        }
    }

    fn of(&self, registry: &MockRegistry) -> BTreeMap<String, ImageConfig> {
        let asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(registry.name()).cloned().unwrap_or_default()
    }
}

impl App {
    /// Every tag of `registry`, sorted by repository.
    pub(super) async fn image_entries(&self, registry: &MockRegistry) -> Result<Vec<ImageEntry>, ApiError> {
        let mut asked = self.images.of(registry);
        let entry = |(repository, tag): (RepositoryName, Tag)| {
            let name = format!("{repository}:{tag}");
            let image = asked.remove(&name);
            ImageEntry { name, image }
        };
        Ok(tags(registry).await?.into_iter().map(entry).collect())
    }

    pub(super) async fn put(
        &self,
        registry: &MockRegistry,
        name: &str,
        image: &ImageConfig,
        source: &ImageSource,
    ) -> Result<(), ApiError> {
        let put = match source {
            ImageSource::MadeUp(image) => registry.add_image(image).await.map_err(|error| with_causes(&error)),
            ImageSource::File(image) => registry.import(image).await.map_err(|error| with_causes(&error)),
        };
        put.map_err(|error| ApiError::conflict("no-image", format!("{name}: {error}")))?;
        self.images.note(registry, name, image);
        Ok(())
    }

    pub(super) async fn take_away(
        &self,
        registry: &MockRegistry,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<(), ApiError> {
        registry.remove_tag(repository, tag).await.map_err(|error| unreadable(&error))?;
        self.images.forget(registry, &format!("{repository}:{tag}"));
        Ok(())
    }
}

/// What each image comes from, and what it is called in the registry.
///
/// # Errors
/// 422: one of them cannot be, or is there twice.
pub(super) fn sources(registry: &MockRegistry, images: &[ImageConfig]) -> Result<Vec<(String, ImageSource)>, ApiError> {
    let mut sources: Vec<(String, ImageSource)> = Vec::new();
    for (n, image) in images.iter().enumerate() {
        let (name, source) = source(registry, image).map_err(|error| error.below(&format!("[{n}]")))?;
        if sources.iter().any(|(known, _)| *known == name) {
            let error = ApiError::wrong("name-taken", format!("[{n}].name: image `{name}` is there twice"));
            return Err(error.hint("leave one of them out"));
        }
        sources.push((name, source));
    }
    Ok(sources)
}

/// What `image` comes from, and what it is called in the registry.
///
/// # Errors
/// 422: it cannot be.
pub(super) fn source(registry: &MockRegistry, image: &ImageConfig) -> Result<(String, ImageSource), ApiError> {
    let source = image.source()?;
    let (repository, tag) = match &source {
        ImageSource::MadeUp(image) => (&image.repository, &image.tag),
        ImageSource::File(image) => {
            image.inspect().map_err(|error| {
                let error = ApiError::wrong("no-image", format!("from: {}", with_causes(&error)));
                error.hint("the file is one of the machine that serves, and must hold the whole of the image")
            })?;
            (&image.repository, &image.tag)
        }
    };
    Ok((format!("{}:{tag}", registry.place(repository.clone())), source))
}

/// Every tag.
pub(super) async fn tags(registry: &MockRegistry) -> Result<Vec<(RepositoryName, Tag)>, ApiError> {
    let catalog = registry.catalog().await.map_err(|error| unreadable(&error))?;
    let of = |(repository, tags): (RepositoryName, Vec<Tag>)| {
        tags.into_iter().map(move |tag| (repository.clone(), tag)).collect::<Vec<_>>()
    };
    Ok(catalog.into_iter().flat_map(of).collect())
}

fn unreadable(error: &dyn std::error::Error) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "store", with_causes(error))
}
