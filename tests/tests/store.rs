//! `serve --store` is killed while clients push, many times over: what it answered as pushed is there in its next life, and
//! whatever else is there is whole.
//!
//! `PULLRIG_KILLS` says how often, 20 times without it.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use oci::{Descriptor, Digest, MediaType};
use reqwest::{Method, Response, StatusCode};
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;
use testbed::Seed;
use tests::{
    by_hand::{ByHand, header},
    needs::Tool,
    program::finish,
    serve::Serve,
};
use tokio::{sync::mpsc, task::JoinSet};

const KILLS: u64 = 20;
const SEED: Seed = Seed(1);
/// Clients that push at once, each on a connection of its own.
const N_CLIENTS: usize = 6;
/// What they push to, so that two write to the same repository. One is below another.
const REPOSITORIES: [&str; 3] = ["app", "app/part", "other"];
/// The most answers that a life gives before it is killed.
const MAX_ANSWERS: u64 = 60;
/// Less than is written at once, and more.
const LAYER_BYTES: [usize; 4] = [0, 50, 200_000, 1_500_000];

/// A layout has its uploads and its lock where no repository can be.
const UPLOADS: &str = "_uploads";

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_no_push_that_was_answered_and_breaks_none_that_was_not() {
    let n_kills = std::env::var("PULLRIG_KILLS").map_or(KILLS, |n| n.parse().expect("PULLRIG_KILLS is a number"));
    let folder = Folder::new();
    let mut pushed = Pushed::default();
    let mut serve = folder.serve();
    for life in 0..n_kills {
        let n_answers = 1 + SEED.child(&life.to_string()).0 % MAX_ANSWERS;
        let now = push_until_killed(serve, life, n_answers).await;
        serve = folder.serve();
        assert_eq!(folder.n_uploads(), 0, "life {life} left uploads behind");
        let by_hand = ByHand::new(serve.url());
        check(&by_hand, &now.things).await;
        pushed.add(now);
        pushed.check_tags(&by_hand).await;
    }
    // What was pushed long ago was not hurt by what came later.
    check(&ByHand::new(serve.url()), &pushed.things).await;
    let n_answered = pushed.things.values().filter(|(_, is_answered)| *is_answered).count() as u64;
    assert!(n_answered > n_kills, "{n_answered} pushes in {n_kills} lives");
    drop(serve);
    folder.check();
    if Tool::Skopeo.is_here() {
        for ((repository, tag), _) in pushed.tags.iter().filter(|(_, tagged)| tagged.named.is_some()) {
            folder.copy_with_skopeo(repository, tag);
        }
    }
}

/// Where the registry keeps what is pushed.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder for the store"))
    }

    fn serve(&self) -> Serve {
        Serve::start(["--preset", "generic", "--store", &self.0.path().display().to_string()])
    }

    fn of_registry(&self) -> PathBuf {
        self.0.path().join("generic")
    }

    /// How many uploads are under way, or were.
    fn n_uploads(&self) -> usize {
        fs::read_dir(self.of_registry().join(UPLOADS)).expect("the registry has a folder for uploads").count()
    }

    /// Every file under a digest has that digest.
    fn check(&self) {
        for repository in REPOSITORIES {
            let blobs = self.of_registry().join(repository).join("blobs/sha256");
            // One that nobody got to push to has none.
            for entry in fs::read_dir(blobs).into_iter().flatten() {
                let path = entry.expect("a folder can be read").path();
                let bytes = fs::read(&path).expect("a file can be read");
                assert!(path.ends_with(Digest::of(&bytes).encoded()), "{} is broken", path.display());
            }
        }
    }

    /// A reader that is not ours takes the image out, with every layer.
    fn copy_with_skopeo(&self, repository: &str, tag: &str) {
        let to = tempfile::tempdir().expect("a folder to copy into");
        let mut command = Command::new("skopeo");
        command.args(["--insecure-policy", "copy", "--quiet"]);
        command.arg(format!("oci:{}:{tag}", self.of_registry().join(repository).display()));
        command.arg(format!("dir:{}", to.path().display()));
        let output = finish(&mut command);
        assert_eq!(output.status, 0, "{command:?}: {output:?}");
    }
}

/// Blobs and manifests by the path that they are served at, and whether their push was answered.
type Things = BTreeMap<String, (Digest, bool)>;

/// What was pushed.
#[derive(Default)]
struct Pushed {
    things: Things,
    /// By repository and tag.
    tags: BTreeMap<(&'static str, String), Tagged>,
}

/// What a tag names.
#[derive(Default)]
struct Tagged {
    /// What was answered last.
    named: Option<Digest>,
    /// What was pushed since, and not answered.
    possible: Vec<Digest>,
}

impl Pushed {
    fn begin(&mut self, path: &str, digest: &Digest) {
        self.things.entry(path.to_owned()).or_insert_with(|| (digest.clone(), false));
    }

    fn answered(&mut self, path: &str) {
        self.things.get_mut(path).expect("it was begun").1 = true;
    }

    /// Adds what was pushed later.
    fn add(&mut self, later: Self) {
        for (path, (digest, is_answered)) in later.things {
            let (_, was_answered) = self.things.entry(path).or_insert((digest, false));
            *was_answered |= is_answered;
        }
        for (tag, tagged) in later.tags {
            if tagged.named.is_some() {
                self.tags.insert(tag, tagged);
            } else {
                self.tags.entry(tag).or_default().possible.extend(tagged.possible);
            }
        }
    }

    /// A tag names what was answered last, or what was pushed since.
    async fn check_tags(&self, by_hand: &ByHand) {
        for ((repository, tag), Tagged { named, possible }) in &self.tags {
            let found = get(by_hand, &format!("/v2/{repository}/manifests/{tag}")).await;
            let is_possible = found == *named || possible.iter().any(|one| found.as_ref() == Some(one));
            assert!(is_possible, "{repository}:{tag} is {found:?}, not {named:?} nor one of {possible:?}");
        }
    }
}

/// What was answered is served, and what is served is whole.
async fn check(by_hand: &ByHand, things: &Things) {
    for (path, (digest, is_answered)) in things {
        match get(by_hand, path).await {
            Some(found) => assert_eq!(found, *digest, "{path}"),
            None => assert!(!is_answered, "{path} is lost"),
        }
    }
}

/// The digest of what is served at `path`; `None` if it is said to be absent.
async fn get(by_hand: &ByHand, path: &str) -> Option<Digest> {
    let answer = by_hand.get(path).await;
    if answer.status() == StatusCode::NOT_FOUND {
        return None;
    }
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    Some(Digest::of(&answer.bytes().await.expect("a whole body")))
}

/// Lets all clients push until `n_answers` were given, kills `serve`, and returns what was pushed.
async fn push_until_killed(serve: Serve, life: u64, n_answers: u64) -> Pushed {
    let (told, mut answers) = mpsc::unbounded_channel();
    let is_killed = Arc::new(AtomicBool::new(false));
    let by_hand = Arc::new(ByHand::new(serve.url()));
    let mut clients = JoinSet::new();
    for number in 0..N_CLIENTS {
        let client = Client {
            by_hand: Arc::clone(&by_hand),
            repository: REPOSITORIES[number % REPOSITORIES.len()],
            number,
            told: told.clone(),
            is_killed: Arc::clone(&is_killed),
            pushed: Pushed::default(),
        };
        clients.spawn(client.push_images(life));
    }
    for _ in 0..n_answers {
        answers.recv().await.expect("clients push until the kill");
    }
    is_killed.store(true, Ordering::SeqCst);
    let (status, _) = serve.stop(Signal::KILL);
    assert!(!status.success(), "it was killed: {status}");
    let mut pushed = Pushed::default();
    for client in clients.join_all().await {
        pushed.add(client);
    }
    pushed
}

/// The registry is gone.
struct Gone;

struct Client {
    by_hand: Arc<ByHand>,
    repository: &'static str,
    number: usize,
    /// Told of each answer.
    told: mpsc::UnboundedSender<()>,
    /// Set before the registry is.
    is_killed: Arc<AtomicBool>,
    pushed: Pushed,
}

impl Client {
    /// Pushes one image after the other, each in another way, until the registry is gone.
    async fn push_images(mut self, life: u64) -> Pushed {
        let mut n = 0;
        while let Ok(()) = self.push_image(life, n).await {
            n += 1;
        }
        self.pushed
    }

    async fn push_image(&mut self, life: u64, n: usize) -> Result<(), Gone> {
        let text = format!("life {life}, client {}, image {n}. ", self.number);
        let wanted_bytes = LAYER_BYTES[(n + life as usize) % LAYER_BYTES.len()];
        let layer = text.repeat(wanted_bytes / text.len()).into_bytes();
        let config = json!({
            "architecture": "amd64", "os": "linux", "author": text,
            "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer)] },
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_MANIFEST,
            "config": Descriptor::of(MediaType::OCI_CONFIG, &config),
            "layers": [Descriptor::of(MediaType::OCI_LAYER_TAR, &layer)],
        });
        match n % 3 {
            0 => self.push_blob(config).await?,
            _ => self.push_at_once(config).await?,
        }
        match n % 2 {
            0 => self.push_in_chunks(layer).await?,
            _ => self.push_blob(layer).await?,
        }
        // Nobody ends this one.
        let location = self.open_upload().await?;
        self.send(Method::PATCH, &location, text.into_bytes(), StatusCode::ACCEPTED).await?;
        self.push_manifest(manifest.to_string().into_bytes()).await
    }

    /// `POST`, and all of it with the `PUT`.
    async fn push_blob(&mut self, blob: Vec<u8>) -> Result<(), Gone> {
        let (path, digest) = self.begin_blob(&blob);
        let location = self.open_upload().await?;
        self.send(Method::PUT, &format!("{location}?digest={digest}"), blob, StatusCode::CREATED).await?;
        self.pushed.answered(&path);
        Ok(())
    }

    /// `POST` only.
    async fn push_at_once(&mut self, blob: Vec<u8>) -> Result<(), Gone> {
        let (path, digest) = self.begin_blob(&blob);
        let target = format!("/v2/{}/blobs/uploads/?digest={digest}", self.repository);
        self.send(Method::POST, &target, blob, StatusCode::CREATED).await?;
        self.pushed.answered(&path);
        Ok(())
    }

    /// `POST`, `PATCH` for each third, and a `PUT` with nothing.
    async fn push_in_chunks(&mut self, blob: Vec<u8>) -> Result<(), Gone> {
        let (path, digest) = self.begin_blob(&blob);
        let location = self.open_upload().await?;
        for chunk in blob.chunks(blob.len().div_ceil(3).max(1)) {
            self.send(Method::PATCH, &location, chunk.to_vec(), StatusCode::ACCEPTED).await?;
        }
        self.send(Method::PUT, &format!("{location}?digest={digest}"), Vec::new(), StatusCode::CREATED).await?;
        self.pushed.answered(&path);
        Ok(())
    }

    /// Under its digest, then under a tag that stays with the client, so that it names another image each time.
    async fn push_manifest(&mut self, manifest: Vec<u8>) -> Result<(), Gone> {
        let digest = Digest::of(&manifest);
        let path = format!("/v2/{}/manifests/{digest}", self.repository);
        self.pushed.begin(&path, &digest);
        self.send(Method::PUT, &path, manifest.clone(), StatusCode::CREATED).await?;
        self.pushed.answered(&path);

        let tag = (self.repository, format!("of-{}", self.number));
        let target = format!("/v2/{}/manifests/{}", tag.0, tag.1);
        self.pushed.tags.entry(tag.clone()).or_default().possible.push(digest.clone());
        self.send(Method::PUT, &target, manifest, StatusCode::CREATED).await?;
        self.pushed.tags.insert(tag, Tagged { named: Some(digest), possible: Vec::new() });
        Ok(())
    }

    fn begin_blob(&mut self, blob: &[u8]) -> (String, Digest) {
        let digest = Digest::of(blob);
        let path = format!("/v2/{}/blobs/{digest}", self.repository);
        self.pushed.begin(&path, &digest);
        (path, digest)
    }

    async fn open_upload(&self) -> Result<String, Gone> {
        let target = format!("/v2/{}/blobs/uploads/", self.repository);
        let answer = self.send(Method::POST, &target, Vec::new(), StatusCode::ACCEPTED).await?;
        Ok(header(&answer, "location").expect("an upload has a location").to_owned())
    }

    /// Sends one request. Until the registry is killed it must be answered, and as `expected`.
    async fn send(&self, method: Method, target: &str, body: Vec<u8>, expected: StatusCode) -> Result<Response, Gone> {
        let mut request = self.by_hand.request(method, target).body(body);
        if target.contains("/manifests/") {
            request = request.header("content-type", MediaType::OCI_MANIFEST.to_string());
        }
        match request.send().await {
            Ok(answer) => {
                assert_eq!(answer.status(), expected, "{target}");
                // Nobody listens any more once enough was answered.
                let _ = self.told.send(());
                Ok(answer)
            }
            Err(_) if self.is_killed.load(Ordering::SeqCst) => Err(Gone),
            Err(error) => panic!("{target}: {error:?}"),
        }
    }
}
