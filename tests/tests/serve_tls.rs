//! `serve --tls`, asked with curl, which verifies as every client does: names, protocols, and who is trusted.

use std::{path::Path, process::Command};

use rustix::process::Signal;
use serde_json::Value;
use tests::{
    by_hand::parameter,
    needs::Tool,
    program::{Output, finish, run},
    serve::Serve,
};

/// Curl's exit status when it does not trust the certificate.
const NOT_TRUSTED: i32 = 60;

/// `pullrig serve --tls` with one registry.
fn serve(preset: &str, args: &[&str]) -> Serve {
    Serve::start([&["--preset", preset, "--tls"], args].concat())
}

/// Asks for `url` with `args`, trusting nobody but `ca`.
fn curl(ca: &Path, args: &[&str], url: &str) -> Output {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--noproxy", "*", "--cacert"]).arg(ca).args(args).arg(url);
    finish(&mut command)
}

/// Asks the registry itself, to a good end; returns what curl printed.
fn asked(serve: &Serve, args: &[&str], url: &str) -> String {
    let output = curl(serve.ca().expect("with TLS there is a certificate"), args, url);
    assert_eq!(output.status, 0, "{url} {args:?}: {output:?}");
    output.stdout
}

#[test]
fn clients_have_the_protocol_that_they_ask_for() {
    if !Tool::Curl.is_here() {
        return;
    }
    let generic = serve("generic", &[]);
    let url = format!("{}/v2/", generic.url());
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    for (option, expected) in [("--http2", "2 200"), ("--http1.1", "1.1 200")] {
        let by = ["--write-out", "%{http_version} %{http_code}", "--output", "/dev/null", option];
        assert_eq!(asked(&generic, &by, &url), expected, "{option}");
        assert_eq!(asked(&generic, &by, &url.replace("127.0.0.1", "localhost")), expected, "{option} by name");
        // An error to HEAD: HTTP/2 takes a body behind it for a broken exchange.
        let head = asked(&generic, &[option, "--head"], &format!("{url}team/app/manifests/absent"));
        assert!(head.contains(" 404"), "{option}: {head}");
    }
}

#[test]
fn each_name_of_a_preset_has_its_own_certificate() {
    if !Tool::Curl.is_here() {
        return;
    }
    let hub = serve("dockerhub", &[]);
    let [listener] = hub.listeners() else { panic!("one registry is ready") };
    for host in &listener.hosts {
        let to = format!("{host}:443:{}", hub.authority());
        let by = ["--connect-to", &to, "--verbose", "--output", "/dev/null", "--write-out", "%{http_code}"];
        let output = curl(hub.ca().unwrap(), &by, &format!("https://{host}/v2/"));
        assert_eq!((output.status, output.stdout.as_str()), (0, "401"), "{output:?}");
        assert!(output.stderr.contains(&format!("subject: CN={host}\n")), "{output:?}");
    }
    let other = format!("quay.io:443:{}", hub.authority());
    let output = curl(hub.ca().unwrap(), &["--connect-to", &other], "https://quay.io/v2/");
    assert_eq!(output.status, NOT_TRUSTED, "{output:?}");
}

#[test]
fn the_token_endpoint_is_reached_by_tls_too() {
    if !Tool::Curl.is_here() {
        return;
    }
    let hub = serve("dockerhub", &["--image", "library/alpine:3=64KiB"]);
    let head = asked(&hub, &["--include"], &format!("{}/v2/", hub.url()));
    let realm = parameter(&head, "realm").expect("a realm");
    assert_eq!(realm, format!("{}/token", hub.url()));
    let scope = "service=registry.docker.io&scope=repository:library/alpine:pull";
    let token: Value = serde_json::from_str(&asked(&hub, &[], &format!("{realm}?{scope}"))).unwrap();
    let bearer = format!("authorization: Bearer {}", token["token"].as_str().expect("a token"));
    let manifest = format!("{}/v2/library/alpine/manifests/3", hub.url());
    let manifest: Value = serde_json::from_str(&asked(&hub, &["--header", &bearer], &manifest)).unwrap();
    assert_eq!(manifest["layers"].as_array().map(Vec::len), Some(1), "{manifest}");

    // By its real name, the registry has the real realm.
    let to = format!("registry-1.docker.io:443:{}", hub.authority());
    let head = asked(&hub, &["--include", "--connect-to", &to], "https://registry-1.docker.io/v2/");
    assert_eq!(parameter(&head, "realm"), Some("https://auth.docker.io/token"));
}

#[test]
fn plain_http_is_told_that_this_is_https() {
    if !Tool::Curl.is_here() {
        return;
    }
    let generic = serve("generic", &[]);
    let url = format!("http://{}/v2/", generic.authority());
    let answer = asked(&generic, &["--write-out", "%{http_code}"], &url);
    assert_eq!(answer, "Client sent an HTTP request to an HTTPS server.\n400");
}

#[test]
fn nobody_else_is_trusted_with_its_certificate() {
    if !Tool::Curl.is_here() {
        return;
    }
    let (one, other) = (serve("generic", &[]), serve("generic", &[]));
    let output = curl(other.ca().unwrap(), &[], &format!("{}/v2/", one.url()));
    assert_eq!(output.status, NOT_TRUSTED, "{output:?}");
}

#[test]
fn a_kept_authority_signs_for_the_next_run_too() {
    if !Tool::Curl.is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let ca_dir = folder.path().join("ca");
    let args = ["--ca-dir", &ca_dir.display().to_string()];
    let first = serve("generic", &args);
    assert_eq!(first.ca(), Some(&*ca_dir.join("ca.pem")));
    let trusted = folder.path().join("trusted.pem");
    std::fs::copy(first.ca().unwrap(), &trusted).unwrap();
    first.stop(Signal::TERM);

    let second = serve("generic", &args);
    let output = curl(&trusted, &[], &format!("{}/v2/", second.url()));
    assert_eq!(output.status, 0, "{output:?}");
}

#[test]
fn the_certificate_is_told_first_and_its_file_ends_with_the_run() {
    let generic = serve("generic", &[]);
    let (ca, url) = (generic.ca().unwrap().to_owned(), generic.url().to_owned());
    let pem = std::fs::read_to_string(&ca).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");
    assert!(!pem.contains("KEY"), "the key stays where it is");
    let (status, printed) = generic.stop(Signal::TERM);
    assert!(status.success(), "{status}");
    assert_eq!(printed, format!("ca {}\nready generic {url}\n", ca.display()));
    assert!(!ca.exists(), "{}", ca.display());
}

#[test]
fn an_authority_that_cannot_be_used_is_said() {
    let check = |args: &[&str], status: i32, expected: &str| {
        let output = run([&["serve", "--preset", "generic"], args].concat());
        assert_eq!(output.status, status, "{output:?}");
        assert!(output.stderr.contains(expected), "{output:?}");
    };
    check(&["--ca-dir", "/nowhere"], 2, "add `--tls`, or leave `--ca-dir` out");
    check(&["--tls", "--ca-dir", "/dev/null"], 3, "there is no authority for TLS: cannot use /dev/null");
}
