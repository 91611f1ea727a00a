//! Which toolchain builds the eBPF program: decided here from probed facts, without touching the machine.

/// The LLVM that bpf-linker is built for; it borrows the library itself from the toolchain, so the two must agree.
pub(crate) const LLVM_MAJOR: u32 = 22;

/// What `FAILOVER_TOOLCHAIN` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing: the first that works.
    Any,
    /// The toolchain whose cargo runs us.
    Active,
    /// The distribution's, in /usr.
    System,
    /// This rustup toolchain.
    Named(String),
}

impl Wanted {
    /// Reads the variable's value.
    pub(crate) fn parse(value: Option<&str>) -> Self {
        match value.map(str::trim) {
            None | Some("") => Self::Any,
            Some("active") => Self::Active,
            Some("system") => Self::System,
            Some(name) => Self::Named(name.to_owned()),
        }
    }
}

/// What matters about a toolchain that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Its version, for messages.
    pub(crate) release: String,
    /// The LLVM inside; `None` where rustc does not say.
    pub(crate) llvm_major: Option<u32>,
    /// Whether that LLVM is a library of its own, which bpf-linker can open.
    pub(crate) llvm_shared: bool,
    /// Whether the sources of `core` are there.
    pub(crate) sources: bool,
    /// Whether rustup can add to it.
    pub(crate) by_rustup: bool,
}

/// Everything that the choice depends on.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) wanted: Wanted,
    /// The toolchain in use, or the named one. `Err` says why there is none.
    pub(crate) active: Result<Candidate, String>,
    /// The one in /usr, if any.
    pub(crate) system: Option<Candidate>,
    /// Whether this is a Debian (`apt-get` is there).
    pub(crate) debian: bool,
}

/// A way to a toolchain with sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The active (or named) one as it is.
    UseActive,
    /// The distribution's as it is.
    UseSystem,
    /// `rustup component add rust-src`.
    AddSources,
    /// `apt-get install` of the distribution's.
    InstallPackages,
}

/// The ways to try, best first, and why the others are out of the question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) ways: Vec<Way>,
    pub(crate) ruled_out: Vec<String>,
}

/// Orders the ways: what is there already before anything is installed, the user's own toolchain before the distribution's.
pub(crate) fn plan(facts: &Facts) -> Plan {
    let mut ways = Vec::new();
    let mut later = Vec::new();
    let mut ruled_out = Vec::new();

    let (may_active, may_system) = match &facts.wanted {
        Wanted::Any => (true, true),
        Wanted::Active | Wanted::Named(_) => (true, false),
        Wanted::System => (false, true),
    };
    let called = match &facts.wanted {
        Wanted::Named(name) => format!("toolchain `{name}`"),
        Wanted::Any | Wanted::Active | Wanted::System => "the active toolchain".to_owned(),
    };

    if may_active {
        match &facts.active {
            Err(reason) => ruled_out.push(format!("{called}: {reason}")),
            Ok(active) => match unsuitable(active) {
                Some(reason) => {
                    ruled_out.push(format!("{called} (Rust {}): {reason}", active.release));
                }
                None if active.sources => ways.push(Way::UseActive),
                None if active.by_rustup => later.push(Way::AddSources),
                None => ruled_out.push(format!(
                    "{called} (Rust {}): no Rust sources, and it is not one of rustup's that could add them",
                    active.release
                )),
            },
        }
    } else {
        ruled_out.push("the active toolchain: FAILOVER_TOOLCHAIN asks for the system's".to_owned());
    }

    if may_system {
        let ready = facts
            .system
            .as_ref()
            .is_some_and(|system| system.sources && unsuitable(system).is_none());
        if ready {
            ways.push(Way::UseSystem);
        } else if facts.debian {
            later.push(Way::InstallPackages);
        } else {
            ruled_out.push(match &facts.system {
                None => {
                    "the distribution's toolchain: there is none in /usr, and this is not a Debian"
                        .to_owned()
                }
                Some(system) => format!(
                    "the distribution's toolchain (Rust {}): {}",
                    system.release,
                    unsuitable(system).unwrap_or_else(|| "no Rust sources".to_owned())
                ),
            });
        }
    } else {
        ruled_out.push(format!(
            "the distribution's toolchain: FAILOVER_TOOLCHAIN asks for {called}"
        ));
    }

    ways.append(&mut later);
    Plan { ways, ruled_out }
}

/// Why bpf-linker cannot work with this toolchain, sources or not.
pub(crate) fn unsuitable(candidate: &Candidate) -> Option<String> {
    match candidate.llvm_major {
        Some(LLVM_MAJOR) if candidate.llvm_shared => None,
        Some(LLVM_MAJOR) => Some(format!(
            "its LLVM {LLVM_MAJOR} is not a shared library, which bpf-linker needs"
        )),
        Some(other) => Some(format!(
            "it has LLVM {other}, bpf-linker needs {LLVM_MAJOR}"
        )),
        None => Some("it does not say which LLVM it has".to_owned()),
    }
}

/// How well a library's file name fits this LLVM version ("22.1.2"): smaller is better, `None` is not at all. Needed because
/// several versions may lie side by side and bpf-linker would open whichever the directory lists first.
pub(crate) fn library_rank(name: &str, llvm: &str) -> Option<usize> {
    let major = llvm.split('.').next()?;
    let minor = llvm.rsplit_once('.').map_or(llvm, |(minor, _)| minor);
    let after = |prefix: &str| {
        let rest = name.strip_prefix(prefix)?;
        // "libLLVM.so.22.1" is not "libLLVM.so.22.10".
        (!rest.starts_with(|next: char| next.is_ascii_digit())).then_some(())
    };
    [
        format!("libLLVM.so.{minor}"),
        format!("libLLVM-{minor}"),
        format!("libLLVM.so.{major}"),
        format!("libLLVM-{major}"),
    ]
    .iter()
    .position(|prefix| after(prefix).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate() -> Candidate {
        Candidate {
            release: "1.95.0".to_owned(),
            llvm_major: Some(LLVM_MAJOR),
            llvm_shared: true,
            sources: true,
            by_rustup: true,
        }
    }

    fn facts() -> Facts {
        Facts {
            wanted: Wanted::Any,
            active: Ok(candidate()),
            system: None,
            debian: false,
        }
    }

    fn without_sources() -> Candidate {
        Candidate {
            sources: false,
            ..candidate()
        }
    }

    #[test]
    fn an_active_toolchain_with_sources_is_used_as_it_is() {
        let plan = plan(&facts());

        assert_eq!(plan.ways, [Way::UseActive]);
    }

    #[test]
    fn rustup_is_asked_before_the_package_manager() {
        let facts = Facts {
            active: Ok(without_sources()),
            debian: true,
            ..facts()
        };

        let plan = plan(&facts);

        assert_eq!(plan.ways, [Way::AddSources, Way::InstallPackages]);
    }

    #[test]
    fn what_is_there_comes_before_what_must_be_installed() {
        let facts = Facts {
            active: Ok(without_sources()),
            system: Some(candidate()),
            debian: true,
            ..facts()
        };

        let plan = plan(&facts);

        assert_eq!(plan.ways, [Way::UseSystem, Way::AddSources]);
    }

    #[test]
    fn a_toolchain_with_another_llvm_is_never_used_and_gets_no_sources() {
        let facts = Facts {
            active: Ok(Candidate {
                llvm_major: Some(21),
                ..without_sources()
            }),
            ..facts()
        };

        let plan = plan(&facts);

        assert_eq!(plan.ways, []);
        assert!(plan.ruled_out[0].contains("LLVM 21"), "{plan:?}");
    }

    #[test]
    fn a_toolchain_with_llvm_linked_in_is_ruled_out() {
        let facts = Facts {
            active: Ok(Candidate {
                llvm_shared: false,
                ..candidate()
            }),
            ..facts()
        };

        let plan = plan(&facts);

        assert_eq!(plan.ways, []);
        assert!(plan.ruled_out[0].contains("shared library"), "{plan:?}");
    }

    #[test]
    fn a_host_with_nothing_is_told_about_every_way() {
        let facts = Facts {
            active: Ok(Candidate {
                by_rustup: false,
                ..without_sources()
            }),
            ..facts()
        };

        let plan = plan(&facts);

        assert_eq!(plan.ways, []);
        assert_eq!(plan.ruled_out.len(), 2);
    }

    #[test]
    fn the_system_can_be_forced() {
        let facts = Facts {
            wanted: Wanted::System,
            system: Some(candidate()),
            ..facts()
        };

        let plan = plan(&facts);

        assert_eq!(plan.ways, [Way::UseSystem]);
    }

    #[test]
    fn a_forced_toolchain_is_not_replaced_by_the_system() {
        let facts = Facts {
            wanted: Wanted::Named("nightly".to_owned()),
            active: Err("not installed".to_owned()),
            system: Some(candidate()),
            debian: true,
        };

        let plan = plan(&facts);

        assert_eq!(plan.ways, []);
        assert_eq!(plan.ruled_out[0], "toolchain `nightly`: not installed");
    }

    #[test]
    fn the_variable_is_read() {
        assert_eq!(Wanted::parse(None), Wanted::Any);
        assert_eq!(Wanted::parse(Some("")), Wanted::Any);
        assert_eq!(Wanted::parse(Some("active")), Wanted::Active);
        assert_eq!(Wanted::parse(Some("system")), Wanted::System);
        assert_eq!(
            Wanted::parse(Some("beta")),
            Wanted::Named("beta".to_owned())
        );
    }

    #[test]
    fn the_library_of_this_llvm_is_told_from_others() {
        let fits = |name| library_rank(name, "22.1.2").is_some();

        assert!(fits("libLLVM.so.22.1-rust-1.95.0-stable"));
        assert!(fits("libLLVM.so.22.1"));
        assert!(fits("libLLVM-22.so"));
        assert!(!fits("libLLVM-14.so.1"));
        assert!(!fits("libLLVM.so.220"));
        assert!(!fits("libLLVMSupport.so"));
    }

    #[test]
    fn an_exact_library_name_comes_first() {
        let exact = library_rank("libLLVM.so.22.1", "22.1.2");
        let loose = library_rank("libLLVM-22.so", "22.1.2");

        assert!(exact < loose, "{exact:?} {loose:?}");
    }
}
