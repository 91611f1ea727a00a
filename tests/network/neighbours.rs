use std::net::{IpAddr, Ipv4Addr};

use failover_user::net::{
    announce::announcement,
    neighbours::{self, NeighbourEvent},
    packet::PacketSocket,
};
use futures::TryStreamExt as _;
use netlink_packet_route::{AddressFamily, neighbour::NeighbourState};

use crate::lab::{Lab, Namespace, in_namespace, wait};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 10));

/// A cable to another namespace, both ends with an address. Returns our NIC and the other end's MAC address.
async fn cable(lab: &Lab, far: &Namespace) -> (u32, [u8; 6]) {
    lab.veth("near", "far", far).await;
    let near = lab.up("near").await;
    lab.address(near, HERE, 24).await;
    let mac = far.run(async |lab| {
        let far = lab.up("far").await;
        lab.address(far, THERE, 24).await;
        lab.link("far").await.mac
    });
    (near, mac)
}

#[test]
fn a_neighbour_is_resolved_by_the_kernel() {
    let far = Namespace::new();
    in_namespace(async |lab| {
        let (nic, mac) = cable(&lab, &far).await;
        let mut events = neighbours::watch().unwrap();
        assert_eq!(neighbours::lookup(&lab.0, nic, THERE).await.unwrap(), None);

        neighbours::resolve(&lab.0, nic, THERE).await.unwrap();

        let found = wait(&mut events, |event| Some(*event)).await;
        let expected = NeighbourEvent {
            ifindex: nic,
            ip: THERE,
            mac: Some(mac),
        };
        assert_eq!(found, expected);
        assert_eq!(
            neighbours::lookup(&lab.0, nic, THERE).await.unwrap(),
            Some(mac)
        );
    });
}

#[test]
fn a_watch_begins_with_what_is_known_and_tells_when_it_is_forgotten() {
    in_namespace(async |lab| {
        let nic = lab.nic("nic").await;
        let mac = [2, 0, 0, 0, 0, 9];
        lab.permanent_neighbour(nic, THERE, mac).await;
        let mut events = neighbours::watch().unwrap();
        let known = wait(&mut events, |event| Some(*event)).await;

        lab.down("nic").await;

        let forgotten = wait(&mut events, |event| Some(*event)).await;
        assert_eq!((known.ip, known.mac), (THERE, Some(mac)));
        assert_eq!((forgotten.ip, forgotten.mac), (THERE, None));
    });
}

#[test]
fn an_entry_that_is_permanent_stays_so() {
    in_namespace(async |lab| {
        let nic = lab.nic("nic").await;
        let mac = [2, 0, 0, 0, 0, 9];
        lab.permanent_neighbour(nic, THERE, mac).await;

        neighbours::resolve(&lab.0, nic, THERE).await.unwrap();

        let list = lab
            .0
            .neighbours()
            .get()
            .set_address_family(AddressFamily::Inet);
        let entries: Vec<_> = list.execute().try_collect().await.unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].header.state, NeighbourState::Permanent);
        assert_eq!(
            neighbours::lookup(&lab.0, nic, THERE).await.unwrap(),
            Some(mac)
        );
    });
}

#[test]
fn a_gratuitous_arp_moves_an_address_to_the_announced_mac() {
    let far = Namespace::new();
    in_namespace(async |lab| {
        let (nic, mac) = cable(&lab, &far).await;
        let mut events = neighbours::watch().unwrap();
        neighbours::resolve(&lab.0, nic, THERE).await.unwrap();
        let resolved = wait(&mut events, |event| event.mac).await;

        let announced = [2, 0, 0, 0, 0, 0x42];
        far.run(async |lab| {
            let mut socket = PacketSocket::open(lab.link("far").await.index, 2).unwrap();
            let frames = announcement(THERE, announced, mac, false);
            let (sent, error) = socket.send_batch(frames.iter().map(|frame| &frame[..]));
            assert_eq!((sent, error.map(|error| error.to_string())), (2, None));
        });

        let moved = wait(&mut events, |event| event.mac).await;
        assert_eq!((resolved, moved), (mac, announced));
    });
}
