//! `failover check -c FILE`: is this configuration right, and what will it do?

mod probe;

use std::{
    collections::BTreeSet, fmt, io::Write as _, net::IpAddr, path::Path, process::ExitCode,
    time::Duration,
};

use crate::{
    config::{
        self, Config, Deliver, Failback, Hooks, HostFacts, Key, L2Alive, LoadError, OnConflict,
        OnError, OnFailure, Probe, Reflector, Source, Style, Trigger, Witness, WitnessProbe,
        XdpMode, default_discriminator, duration,
    },
    net::{self, links::Link},
    policy::asked_by,
};

/// What `check` has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// For standard output: the summary of a good file.
    pub summary: String,
    /// For standard error: the problems of a bad one.
    pub report: String,
    /// 0, or 2 for a bad file.
    pub code: u8,
}

/// Checks `file` for this host and prints the outcome. Colours appear on a terminal only, and not with `NO_COLOR`.
///
/// # Errors
///
/// Standard output or standard error cannot be written to.
pub fn run(file: &Path, facts: &HostFacts) -> anyhow::Result<ExitCode> {
    let outcome = check(file, facts, Style::Coloured);
    // anstream strips the colours where they are not wanted.
    anstream::stdout().write_all(outcome.summary.as_bytes())?;
    anstream::stderr().write_all(outcome.report.as_bytes())?;
    Ok(ExitCode::from(outcome.code))
}

/// What this host is like: its NICs, and which of their addresses it has only taken over.
///
/// # Errors
///
/// The kernel does not answer.
pub fn facts() -> anyhow::Result<HostFacts> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let handle = net::connect()?;
        let links = net::links::list(&handle).await?;
        let held = net::cleanup::addresses(&handle).await?;
        Ok(host_facts(&links, held.into_iter().map(|(_, ip)| ip)))
    })
}

/// The same, of NICs that are known already.
pub fn host_facts(links: &[Link], held: impl IntoIterator<Item = IpAddr>) -> HostFacts {
    let links = links
        .iter()
        .map(|link| (link.name.clone(), link.loopback, link.addresses.clone()));
    HostFacts::from_links(links, held)
}

/// Checks `file` for the host that `facts` describe.
pub fn check(file: &Path, facts: &HostFacts, style: Style) -> Outcome {
    match config::load(file, facts) {
        Ok(config) => Outcome {
            summary: Summary {
                file,
                config: &config,
                facts,
            }
            .to_string(),
            report: String::new(),
            code: 0,
        },
        Err(error) => Outcome {
            summary: String::new(),
            report: report(&error, style),
            code: 2,
        },
    }
}

pub(crate) fn report(error: &LoadError, style: Style) -> String {
    match error {
        LoadError::Unreadable { .. } | LoadError::NotText { .. } => format!("{error}\n"),
        LoadError::Invalid(problems) => {
            format!("{}{}\n", problems.report(style), problems.closing_line())
        }
    }
}

/// What a good configuration will do, to be verified at a glance.
struct Summary<'a> {
    file: &'a Path,
    config: &'a Config,
    facts: &'a HostFacts,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is good", self.file.display())?;
        for source in &self.config.sources {
            writeln!(f)?;
            describe_source(f, source)?;
        }
        if !self.config.witnesses.is_empty() {
            writeln!(f)?;
        }
        for witness in &self.config.witnesses {
            describe_witness(f, witness)?;
        }
        if let Some(reflector) = &self.config.reflector {
            writeln!(f)?;
            describe_reflector(f, reflector, self.facts)?;
        }
        let xdp = match self.config.daemon.xdp {
            XdpMode::Native => "native",
            XdpMode::Generic => "generic",
            XdpMode::Auto => "native where the driver can, else generic",
        };
        let socket = self.config.daemon.socket.display();
        writeln!(f, "\ncontrol socket {socket}; XDP {xdp}")
    }
}

fn describe_source(f: &mut fmt::Formatter<'_>, source: &Source) -> fmt::Result {
    let title = probe::title(source.probe);
    let (interval, misses) = (source.interval, source.misses);
    let plural = if misses == 1 { "miss" } else { "misses" };
    writeln!(f, "source {}", source.name)?;
    writeln!(
        f,
        "  {title} every {}, {misses} {plural}: a failure is noticed {} after it happens",
        duration::show(interval),
        detection(interval, misses)
    )?;
    probe::describe(f, source)?;
    describe_keys(f, &source.keys)?;
    let when = match (source.trigger, source.paths.len()) {
        (Trigger::Any | Trigger::All, 1) => "the path has failed",
        (Trigger::Any, _) => "any path has failed",
        (Trigger::All, _) => "all paths have failed",
        (Trigger::Path, _) => "a path has failed, for that path alone",
    };
    let action = match source.on_failure {
        OnFailure::Automatic => "take over at once",
        OnFailure::Ask => "ask, and take over when approved",
    };
    writeln!(f, "  when {when}: {action}")?;
    let l2_alive = match source.l2_alive {
        L2Alive::Ask => "ask first",
        L2Alive::Refuse => "do not take over",
        L2Alive::Ignore => "take over all the same",
    };
    let addresses = source.paths.iter().flat_map(|path| &path.addresses);
    let asked: BTreeSet<_> = addresses.map(|address| asked_by(address.ip)).collect();
    let asked = asked.into_iter().collect::<Vec<_>>().join(" or ");
    writeln!(f, "  if it answers {asked} nevertheless: {l2_alive}")?;
    let on_conflict = match source.on_conflict {
        OnConflict::Defend => "defend it",
        OnConflict::Release => "give the addresses up",
        OnConflict::Ask => "keep it, and ask",
    };
    writeln!(f, "  if another host claims a held address: {on_conflict}")?;
    match source.failback {
        Failback::Manual => writeln!(f, "  failback: by `failover failback {}`", source.name)?,
        Failback::Automatic => writeln!(
            f,
            "  failback: once the source has been healthy for {}",
            duration::show(source.failback_after)
        )?,
    }
    describe_hooks(f, &source.hooks)?;
    for (i, path) in source.paths.iter().enumerate() {
        write!(
            f,
            "  path {}: watch {} from {}",
            i + 1,
            path.monitor,
            path.nic
        )?;
        if source.probe == Probe::Sbfd
            && Some(path.discriminator) != default_discriminator(path.monitor)
        {
            write!(f, ", discriminator {}", path.discriminator)?;
        }
        writeln!(f)?;
        let rows: Vec<_> = path
            .addresses
            .iter()
            .map(|address| (format!("{}/{}", address.ip, address.prefix), address))
            .collect();
        let ip = rows.iter().map(|(ip, _)| ip.len()).max().unwrap_or(0);
        let nic = path.addresses.iter().map(|a| a.target_nic.chars().count());
        let nic = nic.max().unwrap_or(0);
        for (shown, address) in rows {
            write!(f, "    {shown:ip$}  on {:nic$}  ", address.target_nic)?;
            match address.deliver {
                Deliver::Local => writeln!(f, "delivered here")?,
                Deliver::Forward(to) => writeln!(f, "forwarded to {to}")?,
            }
        }
    }
    Ok(())
}

fn describe_keys(f: &mut fmt::Formatter<'_>, keys: &[Key]) -> fmt::Result {
    let Some((first, others)) = keys.split_first() else {
        return Ok(());
    };
    let (id, file) = (first.id, first.file.display());
    write!(f, "  signed with key {id} ({file})")?;
    for (i, key) in others.iter().enumerate() {
        let also = if i == 0 { "; replies also with" } else { " or" };
        write!(f, "{also} key {} ({})", key.id, key.file.display())?;
    }
    writeln!(f)
}

fn describe_hooks(f: &mut fmt::Formatter<'_>, hooks: &Hooks) -> fmt::Result {
    for (when, hook, aborts) in [
        ("before a takeover", &hooks.before_takeover, "no takeover"),
        ("after a takeover", &hooks.after_takeover, ""),
        ("before a failback", &hooks.before_failback, "no failback"),
        ("after a failback", &hooks.after_failback, ""),
        ("to notify somebody", &hooks.notify, ""),
    ] {
        let Some(command) = hook else { continue };
        let timeout = duration::show(hooks.timeout);
        write!(f, "  {when}: run {command:?} for at most {timeout}")?;
        match hooks.on_error {
            OnError::Abort if !aborts.is_empty() => writeln!(f, "; if that fails, {aborts}")?,
            OnError::Abort | OnError::Continue => writeln!(f)?,
        }
    }
    Ok(())
}

fn describe_witness(f: &mut fmt::Formatter<'_>, witness: &Witness) -> fmt::Result {
    let probe = match witness.probe {
        WitnessProbe::Icmp => "ICMP echo",
        WitnessProbe::Arp => "ARP",
        WitnessProbe::Nd => "neighbour solicitation",
    };
    let (nic, address) = (&witness.nic, witness.address);
    writeln!(f, "witness of {nic}: {address}, by {probe}")
}

/// A failure falls between two requests, and the last of the missed ones is judged when the next is due: between
/// `misses` and `misses + 1` intervals later.
fn detection(interval: Duration, misses: u32) -> String {
    let (per_unit, unit) = [(1_000_000_000, "s"), (1_000_000, "ms")]
        .into_iter()
        .find(|(per_unit, _)| interval.as_nanos().is_multiple_of(*per_unit))
        .unwrap_or((1_000, "us"));
    let one = interval.as_nanos() / per_unit;
    let misses = u128::from(misses);
    format!("{} to {} {unit}", one * misses, one * (misses + 1))
}

fn describe_reflector(
    f: &mut fmt::Formatter<'_>,
    reflector: &Reflector,
    facts: &HostFacts,
) -> fmt::Result {
    writeln!(f, "reflector")?;
    for name in &reflector.nics {
        let nic = facts.nics.iter().find(|nic| nic.name == *name);
        let addresses: Vec<_> = nic
            .into_iter()
            .flat_map(|nic| &nic.addresses)
            .map(|(ip, _)| *ip)
            .filter(|ip| !facts.held.contains(ip))
            .map(|ip| ip.to_string())
            .collect();
        writeln!(
            f,
            "  answers heartbeats on {name} at {}",
            addresses.join(", ")
        )?;
    }
    match reflector.discriminator {
        Some(number) => writeln!(f, "  discriminator {number}")?,
        None => writeln!(f, "  discriminator: the address that is asked")?,
    }
    let initiators: Vec<_> = reflector
        .initiators
        .iter()
        .map(ToString::to_string)
        .collect();
    let who = if initiators.is_empty() {
        "any host".to_owned()
    } else {
        initiators.join(", ")
    };
    let min_rx = duration::show(reflector.min_rx);
    writeln!(f, "  for {who}, at most one request every {min_rx}")?;
    let keys: Vec<_> = reflector
        .keys
        .iter()
        .map(|key| format!("key {} ({})", key.id, key.file.display()))
        .collect();
    if !keys.is_empty() {
        writeln!(f, "  if it is signed with {}", keys.join(" or "))?;
    }
    describe_custody(f, reflector, facts)
}

fn describe_custody(
    f: &mut fmt::Formatter<'_>,
    reflector: &Reflector,
    facts: &HostFacts,
) -> fmt::Result {
    let dead_man = duration::show(reflector.dead_man);
    writeln!(f, "  silent when the daemon has not run for {dead_man}")?;
    for check in &reflector.checks {
        writeln!(
            f,
            "  silent after {} in a row of {}, every {}; answers again after {}",
            counted(check.fall, "failure", "failures"),
            check.what,
            duration::show(check.interval),
            counted(check.rise, "success", "successes")
        )?;
    }
    if reflector.identity.is_empty() {
        return Ok(());
    }
    let identity: Vec<_> = reflector
        .identity
        .iter()
        .map(|address| format!("{}/{}", address.ip, address.prefix))
        .collect();
    let identity = identity.join(", ");
    let when = if reflector.self_fence {
        "when it is silent, or another host has them"
    } else {
        "when another host has them"
    };
    writeln!(f, "  keeps off {identity} {when}")?;
    let nics = || facts.nics.iter();
    let absent = reflector.identity.iter().filter(|address| {
        let ip = address.ip;
        !nics().any(|nic| nic.addresses.iter().any(|(own, _)| *own == ip))
    });
    // As the daemon does it: the first of the NICs that is there.
    let mut listed = reflector.nics.iter();
    let asking = listed.find(|name| nics().any(|nic| nic.name == **name));
    if let Some(asking) = asking {
        for address in absent {
            let ip = address.ip;
            writeln!(f, "  {ip} is on no NIC yet: {asking} stands for it")?;
        }
    }
    writeln!(
        f,
        "  while it keeps off them, only sbfd and not icmp, arp or tcp finds this host alive there"
    )
}

fn counted(number: u32, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detection_time_is_misses_to_misses_plus_one_intervals() {
        for (micros, misses, shown) in [
            (10_000, 3, "30 to 40 ms"),
            (1_000, 3, "3 to 4 ms"),
            (50, 3, "150 to 200 us"),
            (1_500, 2, "3000 to 4500 us"),
            (250_000, 4, "1000 to 1250 ms"),
            (60_000_000, 255, "15300 to 15360 s"),
        ] {
            assert_eq!(detection(Duration::from_micros(micros), misses), shown);
        }
    }

    #[test]
    fn a_missing_file_is_one_sentence() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("absent.toml");

        let outcome = check(&file, &HostFacts::default(), Style::Plain);

        let expected = format!(
            "cannot read the configuration {}: there is no such file; give its path with -c\n",
            file.display()
        );
        assert_eq!(outcome.report, expected);
        assert_eq!(outcome.code, 2);
    }

    #[test]
    fn a_file_that_is_no_text_is_refused_with_the_place() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("latin1.toml");
        std::fs::write(&file, b"[daemon]\n# caf\xe9\n").unwrap();

        let outcome = check(&file, &HostFacts::default(), Style::Plain);

        let place = format!("{}:2:6: ", file.display());
        assert!(outcome.report.starts_with(&place), "{}", outcome.report);
        assert_eq!(outcome.code, 2);
    }
}
