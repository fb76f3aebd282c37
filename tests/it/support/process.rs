//! Real processes: the workspace's binaries, folders for them, and HTTP to them.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        Arc, Mutex, OnceLock,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::world::fresh;

/// How long a process may take to say or do what is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a process may take to stop when it is asked to.
const STOP_TIME: Duration = Duration::from_secs(5);
/// How long one HTTP call may take.
const CALL_TIME: Duration = Duration::from_secs(20);

/// The workspace's binary of this name, built as these tests were.
pub fn binary(name: &str) -> &'static Path {
    static BINARIES: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    BINARIES.get_or_init(build).get(name).unwrap_or_else(|| panic!("the workspace has no binary {name}"))
}

/// Runs `scrip`, whose files of its own are in `scratch`: how it ended, what it printed, what it said meanwhile.
pub fn scrip(scratch: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = std::process::Command::new(binary("scrip"));
    command.env_clear().env("TMPDIR", scratch).args(arguments);
    command.envs([
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
    ]);
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn build() -> BTreeMap<String, PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    // The test lies in `<target>/<profile>/deps`.
    let test = std::env::current_exe().unwrap();
    let profile = match test.parent().unwrap().parent().unwrap().file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let output = Command::new(env!("CARGO"))
        .args(["build", "--workspace", "--bins", "--locked", "--message-format=json", "--profile", profile])
        .arg("--target-dir")
        .arg(target)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let built = String::from_utf8(output.stdout).unwrap();
    let messages = built.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    messages
        .filter_map(|message| {
            let executable = message["executable"].as_str()?;
            Some((message["target"]["name"].as_str().unwrap().to_owned(), PathBuf::from(executable)))
        })
        .collect()
}

/// A folder that is there for one test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let name = format!("{}-{}", std::process::id(), fresh());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What a failed test left is worth a look.
        if !thread::panicking() {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

/// A child process. It ends when this is dropped.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    complaints: Arc<Mutex<String>>,
    listener: Option<thread::JoinHandle<()>>,
}

impl Process {
    pub fn spawn(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // Nobody may be listening any more; the process goes on all the same.
                sender.send(line).ok();
            }
        });
        let complaints = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&complaints);
        let listener = thread::spawn(move || {
            for line in BufReader::new(err).lines().map_while(Result::ok) {
                let mut heard = heard.lock().unwrap();
                heard.push_str(&line);
                heard.push('\n');
            }
        });
        Self { child, lines, complaints, listener: Some(listener) }
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("nothing was printed for {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("it ended: {:?}", self.ended()),
        }
    }

    /// Asks it to stop, as ctrl-c does, and tells how it did and what else it had printed.
    pub fn interrupt(mut self) -> (ExitStatus, Vec<String>) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let status = self.wait(STOP_TIME);
        (status, self.printed())
    }

    /// The most memory that it has had so far, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    /// Ends it where it stands, as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end, and tells what it complained of.
    pub fn ended(&mut self) -> (ExitStatus, String) {
        let status = self.wait(PATIENCE);
        if let Some(listener) = self.listener.take() {
            listener.join().unwrap();
        }
        (status, self.complaints.lock().unwrap().clone())
    }

    /// What else it printed before it ended.
    pub fn printed(&self) -> Vec<String> {
        self.lines.iter().collect()
    }

    fn wait(&mut self, time: Duration) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < time, "it did not stop within {time:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails if it has ended already, which is as well.
        self.child.kill().ok();
        self.child.wait().ok();
        if thread::panicking() {
            eprintln!("process {} said:\n{}", self.child.id(), self.complaints.lock().unwrap());
        }
    }
}

/// `cargo local`, running.
pub struct Local {
    pub process: Process,
    pub url: String,
    pub admin_key: String,
    pub store_key: String,
    pub customer_token: String,
}

impl Local {
    /// Starts it with these arguments, on a port of its own, and waits until it answers.
    pub fn start(arguments: &[&str]) -> Self {
        let mut process = Process::spawn(local(arguments).args(["--port", "0", "--json"]));
        let line = process.line();
        let printed: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let text = |name: &str| printed[name].as_str().unwrap().to_owned();
        assert_eq!(printed.as_object().unwrap().len(), 4, "{line}");
        Self {
            url: text("url"),
            admin_key: text("admin_key"),
            store_key: text("store_key"),
            customer_token: text("customer_token"),
            process,
        }
    }

    /// Starts it on the data in this folder.
    pub fn on(folder: &Folder) -> Self {
        Self::start(&["--data", folder.path().to_str().unwrap()])
    }

    /// Somebody who calls it with this credential.
    pub fn caller(&self, credential: &str) -> Caller {
        Caller::of(&self.url, credential)
    }

    pub fn shop(&self) -> Caller {
        self.caller(&self.store_key)
    }

    pub fn admin(&self) -> Caller {
        self.caller(&self.admin_key)
    }
}

/// `cargo local`'s binary with these arguments.
pub fn local(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("local"));
    command.args(arguments).env_remove("RUST_LOG");
    command
}

/// Runs it to its end.
pub fn run(command: &mut Command) -> Output {
    let mut process = Process::spawn(command);
    let (status, stderr) = process.ended();
    Output { status, stdout: process.printed().join("\n").into_bytes(), stderr: stderr.into_bytes() }
}

/// Somebody with a credential and connections of their own.
pub struct Caller {
    agent: ureq::Agent,
    url: String,
    authorization: String,
}

/// What was answered over HTTP.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    pub replayed: bool,
    pub json: Value,
}

impl Caller {
    /// Somebody who calls the service at this address with this credential.
    pub fn of(url: &str, credential: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(CALL_TIME))
            .proxy(None)
            .build()
            .new_agent();
        Self { agent, url: url.to_owned(), authorization: format!("Bearer {credential}") }
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answered {
        let request =
            self.agent.get(format!("{}{path}", self.url)).header("authorization", &self.authorization);
        answered(request.call().unwrap()).unwrap()
    }

    #[track_caller]
    pub fn post(&self, path: &str, key: &str, body: &Value) -> Answered {
        self.try_post(path, key, body).unwrap()
    }

    /// As [`Caller::post`], where the service may be gone.
    pub fn try_post(&self, path: &str, key: &str, body: &Value) -> Result<Answered, ureq::Error> {
        let request = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("authorization", &self.authorization)
            .header("idempotency-key", key);
        answered(request.send(body.to_string())?)
    }
}

fn answered(mut response: ureq::http::Response<ureq::Body>) -> Result<Answered, ureq::Error> {
    let text = response.body_mut().read_to_string()?;
    Ok(Answered {
        status: response.status().as_u16(),
        replayed: response.headers().get("idempotent-replayed").is_some_and(|value| value == "true"),
        json: serde_json::from_str(&text).unwrap_or(Value::Null),
    })
}
