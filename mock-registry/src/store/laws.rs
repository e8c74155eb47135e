//! The laws of a medium, tried on each of them beside a model of a few maps: random pushes, pulls, mounts and deletes, and new
//! lives in between.
//!
//! What was kept under a digest is read as it was pushed, whole and in parts, in the repository that it was pushed to or
//! mounted in, and in no other. What was taken away, or given up while it arrived, is gone. A manifest is no blob unless it was
//! pushed as one. Where a medium outlives the process, all of that is so in the next life.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use oci::{Algorithm, Descriptor, Digest, ImageIndex, MediaType, Reference, RepositoryName, Tag};
use proptest::prelude::*;
use tempfile::TempDir;
use testbed::Seed;
use tokio::runtime::Runtime;

use super::{Content, Store, StoredManifest, Uploads};
use crate::{body::ContentBody, error::RegistryError};

const REPOSITORIES: [&str; 3] = ["a", "a/blobs", "b"];
const TAGS: [&str; 3] = ["1", "2", "latest"];

#[derive(Clone, Debug)]
enum Step {
    Push { repository: usize, content: usize, algorithm: Algorithm, expected: Algorithm, cut: usize },
    PushWrong { repository: usize, content: usize },
    GiveUp { content: usize },
    Mount { from: usize, to: usize, content: usize, algorithm: Algorithm },
    DeleteBlob { repository: usize, content: usize, algorithm: Algorithm },
    PutManifest { repository: usize, content: usize, algorithm: Algorithm, tags: Vec<usize> },
    DeleteManifest { repository: usize, content: usize, algorithm: Algorithm },
    DeleteTag { repository: usize, tag: usize },
    Restart,
}

/// What is pushed: manifests among it, because the same bytes may be pushed as both.
static CONTENTS: LazyLock<[Bytes; 5]> = LazyLock::new(|| {
    let image = br#"{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0},"layers":[]}"#;
    let child = Descriptor::of(MediaType::OCI_MANIFEST, image);
    let index = serde_json::to_vec(&ImageIndex::new(MediaType::OCI_INDEX, vec![child])).unwrap();
    // More than is gathered before it is written.
    let large: Vec<u8> = (0..=u8::MAX).cycle().take((1 << 20) + 100_001).collect();
    [Bytes::from_static(image), index.into(), Bytes::new(), Bytes::from_static(b"hello"), large.into()]
});

static DIGESTS: LazyLock<BTreeMap<(usize, Algorithm), Digest>> = LazyLock::new(|| {
    let both = |n| [Algorithm::Sha256, Algorithm::Sha512].map(|algorithm| (n, algorithm));
    let all = (0..CONTENTS.len()).flat_map(both);
    all.map(|(n, algorithm)| ((n, algorithm), Digest::of_with(algorithm, &CONTENTS[n]))).collect()
});

fn digest(content: usize, algorithm: Algorithm) -> Digest {
    DIGESTS[&(content, algorithm)].clone()
}

fn media_type(content: usize) -> MediaType {
    if content == 1 { MediaType::OCI_INDEX } else { MediaType::OCI_MANIFEST }
}

fn step() -> impl Strategy<Value = Step> {
    let repository = || 0..REPOSITORIES.len();
    let content = || 0..CONTENTS.len();
    // The last one is too large.
    let manifest = || 0..CONTENTS.len() - 1;
    let algorithm = || prop_oneof![3 => Just(Algorithm::Sha256), 1 => Just(Algorithm::Sha512)];
    let tags = prop::collection::vec(0..TAGS.len(), 0..3);
    prop_oneof![
        6 => (repository(), content(), algorithm(), algorithm(), 0_usize..1_300_000).prop_map(
            |(repository, content, algorithm, expected, cut)| Step::Push { repository, content, algorithm, expected, cut }
        ),
        1 => (repository(), content()).prop_map(|(repository, content)| Step::PushWrong { repository, content }),
        1 => content().prop_map(|content| Step::GiveUp { content }),
        3 => (repository(), repository(), content(), algorithm())
            .prop_map(|(from, to, content, algorithm)| Step::Mount { from, to, content, algorithm }),
        2 => (repository(), content(), algorithm())
            .prop_map(|(repository, content, algorithm)| Step::DeleteBlob { repository, content, algorithm }),
        5 => (repository(), manifest(), algorithm(), tags).prop_map(
            |(repository, content, algorithm, tags)| Step::PutManifest { repository, content, algorithm, tags }
        ),
        2 => (repository(), manifest(), algorithm())
            .prop_map(|(repository, content, algorithm)| Step::DeleteManifest { repository, content, algorithm }),
        1 => (repository(), 0..TAGS.len()).prop_map(|(repository, tag)| Step::DeleteTag { repository, tag }),
        2 => Just(Step::Restart),
    ]
}

/// What a store should hold.
#[derive(Default)]
struct Model(BTreeMap<RepositoryName, Expected>);

#[derive(Default)]
struct Expected {
    blobs: BTreeMap<Digest, Bytes>,
    manifests: BTreeMap<Digest, (MediaType, Bytes)>,
    tags: BTreeMap<Tag, Digest>,
}

/// A store, and where its next life begins.
struct Subject {
    store: Store,
    uploads: Uploads,
    folder: Option<TempDir>,
}

impl Subject {
    async fn start(folder: Option<TempDir>) -> Self {
        let store = match &folder {
            Some(folder) => Store::in_folder(folder.path(), "hub", Seed(1)).await.unwrap(),
            None => Store::in_memory(Seed(1)),
        };
        let uploads = Uploads::new(Seed(1), store.medium());
        Self { store, uploads, folder }
    }

    /// The next life, where there is one.
    async fn restart(self) -> Self {
        let Self { store, uploads, folder } = self;
        if folder.is_none() {
            return Self { store, uploads, folder };
        }
        drop((store, uploads));
        Self::start(folder).await
    }

    async fn push(&self, name: &RepositoryName, bytes: &Bytes, digest: &Digest, expected: Algorithm, cut: usize) {
        let mut session = self.uploads.session(expected);
        let cut = cut.min(bytes.len());
        session.receive().append(bytes.slice(..cut)).await.unwrap();
        let mark = session.mark().await.unwrap();
        session.receive().append(Bytes::from_static(b"a chunk that was not what it said")).await.unwrap();
        session.go_back(mark).await.unwrap();
        session.receive().append(bytes.slice(cut..)).await.unwrap();
        assert_eq!(session.size_bytes().unwrap(), bytes.len() as u64);
        let received = session.finish(digest).await.unwrap();
        self.store.find_or_make(name).await.unwrap().put_blob(received).await.unwrap();
    }
}

impl Model {
    fn of(&mut self, name: &RepositoryName) -> &mut Expected {
        self.0.entry(name.clone()).or_default()
    }
}

async fn take(step: Step, subject: Subject, model: &mut Model) -> Subject {
    let name = |n: usize| REPOSITORIES[n].parse::<RepositoryName>().unwrap();
    let store = &subject.store;
    match step {
        Step::Push { repository, content, algorithm, expected, cut } => {
            let (name, bytes) = (name(repository), &CONTENTS[content]);
            let digest = digest(content, algorithm);
            subject.push(&name, bytes, &digest, expected, cut).await;
            model.of(&name).blobs.insert(digest, bytes.clone());
        }
        Step::PushWrong { repository, content } => {
            let mut session = subject.uploads.session(Algorithm::Sha256);
            session.receive().append(CONTENTS[content].clone()).await.unwrap();
            let refused = session.finish(&Digest::of(b"something else")).await;
            assert!(matches!(refused, Err(RegistryError::DigestMismatch { .. })), "{repository} {refused:?}");
        }
        Step::GiveUp { content } => {
            let mut session = subject.uploads.session(Algorithm::Sha256);
            session.receive().append(CONTENTS[content].clone()).await.unwrap();
        }
        Step::Mount { from, to, content, algorithm } => {
            let digest = digest(content, algorithm);
            let (from, to) = (name(from), name(to));
            let expected = model.0.get(&from).and_then(|from| from.blobs.get(&digest)).cloned();
            assert_eq!(store.mount(&digest, &from, &to).await.unwrap(), expected.is_some());
            if let Some(bytes) = expected {
                model.of(&to).blobs.insert(digest, bytes);
            }
        }
        Step::DeleteBlob { repository, content, algorithm } => {
            let (name, digest) = (name(repository), digest(content, algorithm));
            if let Some(repository) = store.find(&name).await.unwrap() {
                let expected = model.of(&name).blobs.remove(&digest).is_some();
                assert_eq!(repository.delete_blob(&digest).await.unwrap(), expected);
            }
        }
        Step::PutManifest { repository, content, algorithm, tags } => {
            let (name, bytes) = (name(repository), CONTENTS[content].clone());
            let (digest, media_type) = (digest(content, algorithm), media_type(content));
            let tags: Vec<Tag> = tags.into_iter().map(|tag| TAGS[tag].parse().unwrap()).collect();
            let manifest = StoredManifest::under(digest.clone(), media_type, bytes);
            let expected = model.of(&name);
            expected.manifests.insert(digest.clone(), (manifest.media_type.clone(), manifest.bytes.clone()));
            expected.tags.extend(tags.iter().map(|tag| (tag.clone(), digest.clone())));
            store.find_or_make(&name).await.unwrap().put_manifest(manifest, tags, Vec::new()).await.unwrap();
        }
        Step::DeleteManifest { repository, content, algorithm } => {
            let (name, digest) = (name(repository), digest(content, algorithm));
            if let Some(repository) = store.find(&name).await.unwrap() {
                let expected = model.of(&name);
                expected.tags.retain(|_, named| *named != digest);
                let is_there = expected.manifests.remove(&digest).is_some();
                assert_eq!(repository.delete_manifest(&Reference::Digest(digest)).await.unwrap(), is_there);
            }
        }
        Step::DeleteTag { repository, tag } => {
            let (name, tag) = (name(repository), TAGS[tag].parse::<Tag>().unwrap());
            if let Some(repository) = store.find(&name).await.unwrap() {
                let expected = model.of(&name).tags.remove(&tag).is_some();
                assert_eq!(repository.delete_manifest(&Reference::Tag(tag)).await.unwrap(), expected);
            }
        }
        Step::Restart => return subject.restart().await,
    }
    subject
}

/// Everything that there is or might be, compared.
async fn compare(store: &Store, model: &Model, at: usize) {
    assert_eq!(store.names().iter().collect::<Vec<_>>(), model.0.keys().collect::<Vec<_>>());
    for (name, expected) in &model.0 {
        let repository = store.find(name).await.unwrap().expect("it is among the names");
        assert_eq!(repository.tags().iter().collect::<Vec<_>>(), expected.tags.keys().collect::<Vec<_>>());
        for tag in TAGS {
            let tag: Tag = tag.parse().unwrap();
            let expected = expected.tags.get(&tag).cloned();
            let found = repository.manifest(&Reference::Tag(tag)).await;
            assert_eq!(found.map(|manifest| manifest.digest.clone()), expected, "{name}");
        }
        for digest in DIGESTS.values() {
            let blob = repository.blob(digest).await.unwrap();
            assert_eq!(blob.is_some(), expected.blobs.contains_key(digest), "{name} {digest}");
            if let Some((content, bytes)) = blob.zip(expected.blobs.get(digest)) {
                assert_eq!(content.size_bytes(), bytes.len() as u64);
                let first = at.min(bytes.len());
                assert_eq!(read(content, first).await, bytes[first..]);
            }
            let found = repository.manifest(&Reference::Digest(digest.clone())).await;
            let found = found.map(|manifest| (manifest.media_type.clone(), manifest.bytes.clone()));
            assert_eq!(found.as_ref(), expected.manifests.get(digest), "{name} {digest}");
        }
    }
}

async fn read(content: Content, first: usize) -> Bytes {
    let end = content.size_bytes();
    ContentBody::new(content, first as u64, end).collect().await.unwrap().to_bytes()
}

fn check(steps: Vec<Step>, at: usize, folder: Option<TempDir>) {
    let runtime = Runtime::new().unwrap();
    let mut model = Model::default();
    runtime.block_on(async {
        let mut subject = Subject::start(folder).await;
        for step in steps {
            let is_restart = matches!(step, Step::Restart);
            subject = take(step, subject, &mut model).await;
            if is_restart {
                compare(&subject.store, &model, at).await;
            }
        }
        compare(&subject.store, &model, at).await;
        if let Some(folder) = &subject.folder {
            let uploads = folder.path().join("hub/_uploads");
            // What was given up is removed by and by; if anything were left, this would not end.
            while std::fs::read_dir(&uploads).unwrap().next().is_some() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let subject = subject.restart().await;
        compare(&subject.store, &model, at).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn memory_keeps_the_laws(steps in prop::collection::vec(step(), 1..40), at in 0_usize..1_300_000) {
        check(steps, at, None);
    }

    #[test]
    fn a_folder_keeps_the_laws(steps in prop::collection::vec(step(), 1..40), at in 0_usize..1_300_000) {
        check(steps, at, Some(tempfile::tempdir().unwrap()));
    }
}
