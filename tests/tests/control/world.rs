//! A served world that tests control.

use reqwest::Method;
use serde_json::Value;
use tests::{
    by_hand::ByHand,
    program::{Output, run},
    serve::Serve,
};

/// A served world with a control API.
pub(crate) struct World {
    pub(crate) serve: Serve,
    pub(crate) control: ByHand,
    pub(crate) url: String,
}

impl World {
    /// A world with `args` and a control API.
    pub(crate) fn start(args: &[&str]) -> Self {
        let serve = Serve::start(args.iter().chain(&["--control", "127.0.0.1:0"]));
        let listener = serve.listeners().iter().find(|listener| listener.name == "control").expect("a control API");
        let url = listener.url.clone();
        Self { control: ByHand::new(&url), url, serve }
    }

    /// Docker Hub without an account, with an image.
    pub(crate) fn hub() -> Self {
        Self::start(&["--preset", "dockerhub-anon=127.0.0.1:0", "--image", "library/alpine:3=1KiB"])
    }

    /// The status and the JSON of an answer.
    pub(crate) async fn ask(&self, method: Method, target: &str, body: Option<&str>) -> (u16, Value) {
        let mut request = self.control.request(method.clone(), target);
        if let Some(body) = body {
            request = request.body(String::from(body));
        }
        let answer = request.send().await.unwrap_or_else(|error| panic!("{method} {target}: {error:?}"));
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("an answer");
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{method} {target}: {error}: {text}")))
    }

    /// What is there.
    pub(crate) async fn get(&self, target: &str) -> Value {
        let (status, answer) = self.ask(Method::GET, target, None).await;
        assert_eq!(status, 200, "{target}: {answer}");
        answer
    }

    /// Asks for what is refused, and returns the error.
    pub(crate) async fn refused(&self, method: Method, target: &str, body: Option<&str>, expected: u16) -> Value {
        let (status, answer) = self.ask(method.clone(), target, body).await;
        assert_eq!(status, expected, "{method} {target} {body:?}: {answer}");
        assert!(answer["error"]["message"].is_string(), "{method} {target}: {answer}");
        answer["error"].clone()
    }

    /// Runs `ctl` to its end.
    pub(crate) fn ctl(&self, args: &[&str]) -> Output {
        run(["ctl", "--control", &self.url].iter().chain(args))
    }

    /// Asks for what is done, and returns the answer.
    pub(crate) async fn done(&self, method: Method, target: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method.clone(), target, Some(&body.to_string())).await;
        assert!((200..300).contains(&status), "{method} {target} {body}: {status} {answer}");
        answer
    }

    /// What `ctl` prints.
    pub(crate) fn told(&self, args: &[&str]) -> String {
        let output = self.ctl(args);
        assert_eq!(output.status, 0, "{args:?}: {}", output.stderr);
        output.stdout
    }

    /// The first registry.
    pub(crate) fn hub_by_hand(&self) -> ByHand {
        ByHand::new(self.serve.url())
    }
}
