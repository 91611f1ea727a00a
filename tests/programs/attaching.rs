//! The program on NICs: by a pinned link that outlives the daemon, and never in place of somebody else's program.

use aya::programs::links::{FdLink, PinnedLink};
use failover_ebpf::abi::program;
use failover_tests::lab::{Host, Lab, Nic, Switch, xdp_pass::Gate};
use failover_user::{
    bpf::{pins::Pins, program::Program},
    config::XdpMode,
    net::xdp::{Mode, OnNic, on_nic},
};

const NIC: &str = "ens1";

/// A host with one NIC that carries no program.
struct Scene {
    lab: Lab,
    switch: Switch,
    host: Host,
    nic: Nic,
    pins: Pins,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let switch = lab.switch("sw");
        let host = lab.host("host");
        let nic = lab.plug(&host, NIC, &switch, "10.0.0.2/24");
        let pins = Pins::new(lab.bpffs());

        Self {
            lab,
            switch,
            host,
            nic,
            pins,
        }
    }

    /// What the NIC carries.
    fn carries(&self) -> Option<OnNic> {
        let index = self.nic.index();

        self.host
            .namespace()
            .netlink(async move |handle| on_nic(&handle, index).await)
            .expect("asking the NIC")
    }

    /// Loads the program and puts it on the NIC. Returns its id.
    fn start(&self, mode: XdpMode) -> anyhow::Result<(Program, u32)> {
        let current = self.carries();

        self.host.run(|| {
            let mut program = Program::load(&self.pins)?;
            program.attach(NIC, self.nic.index(), mode, current)?;
            let id = program.xdp(program::FAILOVER)?.info()?.id();

            Ok((program, id))
        })
    }

    /// Id of the pinned link, and of the program that it keeps.
    fn link(&self) -> (u32, u32) {
        let link = FdLink::from(PinnedLink::from_pin(self.pins.link(NIC)).expect("a pinned link"));
        let info = link.info().unwrap();

        (info.id(), info.program_id())
    }
}

fn native(program: u32) -> Option<OnNic> {
    Some(OnNic {
        mode: Mode::Native,
        program,
    })
}

#[test]
fn the_program_goes_into_the_driver_and_its_link_is_pinned() {
    let scene = Scene::new();

    let (_program, id) = scene.start(XdpMode::Native).expect("a start");

    assert_eq!(scene.carries(), native(id));
    assert_eq!(scene.link().1, id);
    assert_eq!(scene.pins.linked_nics().unwrap(), [NIC]);
}

#[test]
fn auto_takes_the_driver_where_it_can() {
    let scene = Scene::new();

    let (_program, id) = scene.start(XdpMode::Auto).expect("a start");

    assert_eq!(scene.carries(), native(id));
}

#[test]
fn generic_is_what_generic_says() {
    let scene = Scene::new();

    let (_program, id) = scene.start(XdpMode::Generic).expect("a start");

    let mode = Mode::Generic;
    assert_eq!(scene.carries(), Some(OnNic { mode, program: id }));
}

#[test]
fn the_program_stays_when_the_daemon_goes() {
    let scene = Scene::new();
    let (program, id) = scene.start(XdpMode::Native).expect("a start");

    drop(program);

    assert_eq!(scene.carries(), native(id));
}

#[test]
fn a_second_start_swaps_the_program_on_the_same_link() {
    let scene = Scene::new();
    let (first, first_id) = scene.start(XdpMode::Native).expect("the first start");
    drop(first);
    let (link, _) = scene.link();

    let (second, second_id) = scene.start(XdpMode::Native).expect("the second start");

    assert_ne!(first_id, second_id);
    assert_eq!(scene.link(), (link, second_id));
    drop(second);
    assert_eq!(scene.carries(), native(second_id));
}

#[test]
fn a_nic_with_another_program_is_refused_with_its_id_and_name() {
    let scene = Scene::new();
    let _other = scene
        .host
        .run(|| Gate::attach(scene.nic.index()))
        .expect("another program");
    let other = scene.carries().expect("a program");

    let error = scene.start(XdpMode::Auto).map(|_| ()).unwrap_err();

    let error = format!("{error:#}");
    assert!(error.contains(NIC), "{error}");
    assert!(error.contains(&format!("id {}", other.program)), "{error}");
    assert!(error.contains("lab_pass"), "{error}");
    assert_eq!(scene.carries(), Some(other), "it is left alone");
    assert!(!scene.pins.link(NIC).exists());
}

#[test]
fn the_link_of_a_nic_that_is_gone_gives_way_to_its_successor() {
    let mut scene = Scene::new();
    drop(scene.start(XdpMode::Native).expect("the first start"));
    scene.nic.remove();
    scene.nic = scene
        .lab
        .plug(&scene.host, NIC, &scene.switch, "10.0.0.2/24");

    let (_program, id) = scene.start(XdpMode::Native).expect("the second start");

    assert_eq!(scene.carries(), native(id));
}

#[test]
fn removing_the_pins_takes_the_program_off() {
    let scene = Scene::new();
    let (program, _) = scene.start(XdpMode::Native).expect("a start");
    drop(program);

    scene.pins.remove().unwrap();

    assert!(failover_tests::lab::clock::wait_until(
        std::time::Duration::from_secs(5),
        || { scene.carries().is_none() }
    ));
}

#[test]
fn detaching_takes_the_program_off_one_nic() {
    let scene = Scene::new();
    let (mut program, _) = scene.start(XdpMode::Native).expect("a start");

    program.detach(NIC).unwrap();

    assert!(failover_tests::lab::clock::wait_until(
        std::time::Duration::from_secs(5),
        || { scene.carries().is_none() }
    ));
    program.detach(NIC).expect("once more does not matter");
}
