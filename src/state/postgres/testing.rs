//! A PostgreSQL server for tests: one of its own, in a folder of its own, on a loopback port, gone with the program that
//! started it, whatever that died of.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// The superuser's password.
pub(crate) const PASSWORD: &str = "s3cr3t-of-the-state-database";

/// A server that runs.
pub(crate) struct Server {
    bin: PathBuf,
    folder: PathBuf,
    port: u16,
    /// Ends the server when its standard input closes.
    _watch: Child,
}

/// The server that all tests of a program share; `None` when a developer goes without.
pub(crate) fn shared() -> Option<&'static Server> {
    static SHARED: OnceLock<Option<Server>> = OnceLock::new();
    SHARED.get_or_init(Server::start).as_ref()
}

impl Server {
    /// Starts one; `None`, loudly, where `ORGFERRY_NO_POSTGRES=1` says that there is none.
    pub(crate) fn start() -> Option<Server> {
        if std::env::var("ORGFERRY_NO_POSTGRES").is_ok_and(|value| value == "1") {
            // Past the capture of the tests' output, so that it is seen.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED, since ORGFERRY_NO_POSTGRES=1: nothing of this test was tried on a PostgreSQL server"
            );
            return None;
        }
        let bin = programs().expect(
            "a PostgreSQL server for the tests: `apt-get install postgresql`, or ORGFERRY_NO_POSTGRES=1 to go without",
        );
        let folder = tempfile::Builder::new()
            .prefix("orgferry-postgres-")
            .tempdir()
            .expect("a folder")
            .keep();
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        fs::write(folder.join("password"), PASSWORD).expect("the password's file");
        // Without a lasting disk: these tests are about programs that die, not machines.
        let script = format!(
            "set -e\ncd \"$1\"\n\
             '{bin}/initdb' -D data -U tester -E UTF8 --locale=C --auth=scram-sha-256 --pwfile=password --no-sync >log 2>&1\n\
             openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
               -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
               -keyout data/server.key -out server.crt >>log 2>&1\n\
             cp server.crt data/server.crt\nchmod 600 data/server.key\n\
             '{bin}/postgres' -D data -c listen_addresses=localhost -c port={port} -c unix_socket_directories=\"$1\" \
               -c fsync=off -c ssl=on -c max_connections=200 >>log 2>&1 &\n\
             server=$!\ncat >/dev/null\nwhile kill -INT $server 2>>log; do sleep 0.1; done\nrm -rf \"$1\"\n",
            bin = bin.display(),
        );
        let mut command = unprivileged(&folder);
        let watch = command
            .args(["sh", "-c", &script, "sh"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let server = Server {
            bin,
            folder,
            port,
            _watch: watch,
        };
        let begun = Instant::now();
        while !server
            .run("psql", &["-c", "SELECT 1"], "postgres")
            .status
            .success()
        {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the server does not come up: {}",
                fs::read_to_string(server.folder.join("log")).unwrap_or_default()
            );
            thread::sleep(Duration::from_millis(100));
        }
        Some(server)
    }

    /// The address of one of its databases, with the superuser's password.
    pub(crate) fn url(&self, database: &str) -> String {
        self.url_of("tester", PASSWORD, database)
    }

    /// The address for some user.
    pub(crate) fn url_of(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The certificate that it shows, for `localhost`.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("server.crt")
    }

    /// Runs statements as superuser, and gives what they say: cells with `|` between them.
    pub(crate) fn sql(&self, database: &str, statements: &str) -> String {
        let output = self.run(
            "psql",
            &["-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statements],
            database,
        );
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statements}: {told}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn run(&self, program: &str, args: &[&str], database: &str) -> Output {
        Command::new(self.bin.join(program))
            .args([
                "-X",
                "-h",
                "127.0.0.1",
                "-p",
                &self.port.to_string(),
                "-U",
                "tester",
                "-d",
                database,
            ])
            .args(args)
            .env("PGPASSWORD", PASSWORD)
            .output()
            .expect("the database's own client runs")
    }
}

/// A name that no other test has.
pub(crate) fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut name = String::from("t");
    let _ = write!(name, "_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    name
}

/// Where the server's programs are: on the path, or where Debian puts them.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| {
            versions
                .flatten()
                .map(|version| version.path().join("bin"))
                .collect()
        })
        .unwrap_or_else(|_| Vec::new());
    // Links lead to where the other programs are.
    let mut found: Vec<PathBuf> = std::env::split_paths(&path)
        .chain(debian)
        .filter_map(|folder| Some(folder.join("initdb").canonicalize().ok()?.parent()?.to_owned()))
        .filter(|folder| folder.join("postgres").is_file() && folder.join("psql").is_file())
        .collect();
    found.sort();
    found.pop()
}

/// The server refuses to run as root: then it is another user's, and so is its folder.
fn unprivileged(folder: &Path) -> Command {
    let id = Command::new("id").arg("-u").output().expect("our own user");
    if String::from_utf8_lossy(&id.stdout).trim() != "0" {
        return Command::new("env");
    }
    let user = ["postgres", "nobody"]
        .into_iter()
        .find(|user| {
            Command::new("id")
                .arg(user)
                .output()
                .is_ok_and(|found| found.status.success())
        })
        .expect("a user for the server");
    let given = Command::new("chown").arg("-R").arg(user).arg(folder).status();
    assert!(
        given.is_ok_and(|status| status.success()),
        "the folder becomes that user's"
    );
    let mut command = Command::new("runuser");
    command.args(["-u", user, "--", "env"]);
    command
}
