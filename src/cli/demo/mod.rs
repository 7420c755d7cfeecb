mod folder;

use std::path::{Path, PathBuf};

use owo_colors::OwoColorize;

use super::{
    Context, Problem,
    conduct::{Job, conduct, shown},
    emulate, files,
    interrupt::Interrupt,
    progress::{Progress, ProgressKind},
};
use crate::engine;
use folder::DemoFolder;

/// See it work: rows of three related objects cross between two orgs on this machine
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    orgferry demo\n  \
    orgferry demo --dir try-it --keep-serving\n\n\
The org files and pipelines are written to the folder, where you can read and change them; files that are there are \
used as they are. Nothing outside this machine is asked.")]
pub(super) struct Args {
    /// The folder for org files, pipelines and reports
    #[arg(long, default_value = "orgferry-demo", value_name = "DIR")]
    dir: PathBuf,
    /// How often the first pipeline runs again, to show what did not change
    #[arg(long, default_value_t = 1, value_name = "N")]
    again: u32,
    /// Keep the orgs alive at the end, until Ctrl-C
    #[arg(long)]
    keep_serving: bool,
    /// How progress is shown
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    progress: ProgressKind,
}

/// One thing that the demo shows.
struct Scene {
    title: &'static str,
    words: &'static str,
    pipeline: &'static str,
    /// The exit codes with which it has gone as it should.
    expected: &'static [u8],
}

const CUSTOMERS: Scene = Scene {
    title: "Customers cross",
    words: "2,000 accounts in a hierarchy, 6,000 contacts and 3,000 opportunities. Some rows are dirty on purpose: they \
            are parked with a reason, and the others travel on.",
    pipeline: "pipelines/customers.yaml",
    expected: &[0, 4],
};

const AGAIN: Scene = Scene {
    title: "The same again",
    words: "Rows find their records by key, and what is equal already is not written.",
    ..CUSTOMERS
};

const GUIDE: Scene = Scene {
    title: "The guide's own case",
    words: "The names of org 1's accounts, fetched with `callout:org1/services/data/v59.0/query/`, page by page.",
    pipeline: "pipelines/guide-account-names.yaml",
    expected: &[0, 4],
};

const REFUSED: Scene = Scene {
    title: "The same case, refused",
    words: "Here the permission set does not open the principal. Nothing is sent; this error is how it should be:",
    pipeline: "refused/guide-refused.yaml",
    expected: &[2, 3],
};

pub(super) async fn execute(context: &Context, args: &Args) -> Result<u8, Problem> {
    let folder = DemoFolder::prepare(&args.dir)?;
    let interrupt = Interrupt::of_run(&context.terminal)?;
    let orgs = start_orgs(context, &folder).await?;
    let [hq, emea] = &orgs;
    folder.write_credentials(&hq.url(), &emea.url())?;
    context.terminal.say(&format!(
        "{} {}\n",
        "Org files, pipelines and credentials are in".dimmed(),
        shown(context, &args.dir).display()
    ));
    let scenes = std::iter::once(&CUSTOMERS)
        .chain(std::iter::repeat_n(&AGAIN, args.again as usize))
        .chain([&GUIDE, &REFUSED]);
    for scene in scenes {
        let code = play(context, &interrupt, &folder, scene, args.progress).await?;
        if let Some(code) = interrupt.code() {
            return Ok(code);
        }
        if !scene.expected.contains(&code) {
            return Err(Problem::new(format!(
                "the demo did not go as it should: `{}` ended with exit code {code}",
                scene.pipeline
            ))
            .help("the reason is above; with your own changes in the folder, try another one: `--dir NEW`"));
        }
    }
    close(context, &folder);
    if args.keep_serving {
        context.terminal.say("\nThe orgs stay until Ctrl-C:\n");
        for org in &orgs {
            context.terminal.say(&org.told());
        }
        interrupt.wait().await;
    }
    Ok(0)
}

/// Both orgs, from the folder's own files. On their own ports where those are free, else on any.
async fn start_orgs(context: &Context, folder: &DemoFolder) -> Result<[emulate::ServedOrg; 2], Problem> {
    let mut started = Vec::new();
    for path in folder.orgs() {
        let mut file = emulate::load(&path)?;
        // Each demo has new orgs with the same data: what state remembers of the last demo's does not hold here.
        file.org_id = Some(folder::new_org_id());
        let org = match emulate::start(file.clone(), None).await {
            Ok(org) => org,
            Err(_) => {
                file.port = None;
                emulate::start(file, None).await?
            }
        };
        context.terminal.say(&org.told());
        started.push(org);
    }
    started
        .try_into()
        .map_err(|_| Problem::new("the demo has two orgs, and not both of them started"))
}

async fn play(
    context: &Context,
    interrupt: &Interrupt,
    folder: &DemoFolder,
    scene: &Scene,
    progress: ProgressKind,
) -> Result<u8, Problem> {
    let path = folder.file(scene.pipeline);
    let typed = format!("orgferry run {}", shown(context, &path).display());
    context.terminal.say(&format!(
        "\n{}\n{}\n{} {typed}\n\n",
        format!("── {} ──", scene.title).bold(),
        scene.words,
        "$".dimmed()
    ));
    let loaded = match files::load_one(context, &path, None)? {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    if let Err(refused) = engine::check_access(&loaded.pipeline) {
        let code = refused.exit_code();
        super::problem::tell(
            &context.terminal,
            &refused.to_string(),
            refused.help().as_deref(),
            code,
        );
        return Ok(code);
    }
    let vars = files::vars(context, &loaded, &[])?;
    let job = Job {
        pipeline: loaded.pipeline,
        vars,
        env: None,
        locked: None,
        given: Vec::new(),
        goes_on: None,
        retry: None,
        full: false,
        files: &loaded.files,
        progress: Progress::new(progress, &context.terminal),
        reports: &[],
    };
    conduct(context, interrupt, job).await
}

fn close(context: &Context, folder: &DemoFolder) {
    let shown = |path: &Path| shown(context, path).display().to_string();
    let orgs: Vec<String> = folder.orgs().iter().map(|path| shown(path)).collect();
    context.terminal.say(&format!(
        "\n{}\nChange a pipeline or an org in {}, and look again:\n  \
         orgferry validate {}\n  \
         orgferry demo --dir {}\n\
         Or do each part by hand, the first in another terminal:\n  \
         orgferry emulate {}\n  \
         orgferry run {}\n",
        "── And now ──".bold(),
        shown(folder.path()),
        shown(&folder.file("pipelines")),
        shown(folder.path()),
        orgs.join(" "),
        shown(&folder.file(CUSTOMERS.pipeline)),
    ));
}
