use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    time::Duration,
};

use failover_user::net::packet::PacketSocket;

use crate::lab::{Lab, Namespace, in_namespace};

/// EtherType for experiments (IEEE 802).
const ETHERTYPE: u16 = 0x88b5;

fn frame(number: u8, length: usize) -> Vec<u8> {
    let mut frame = vec![number; length];
    frame[..12].copy_from_slice(&[0xff; 12]);
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    frame[12..14].copy_from_slice(&ETHERTYPE.to_be_bytes());
    frame
}

/// A socket that receives frames of [`ETHERTYPE`].
struct Receiver(OwnedFd);

impl Receiver {
    fn open() -> Self {
        let protocol = libc::c_int::from(ETHERTYPE.to_be());
        // SAFETY: no pointers are passed.
        let fd = unsafe {
            libc::socket(
                libc::AF_PACKET,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC,
                protocol,
            )
        };
        assert!(fd >= 0, "{}", io::Error::last_os_error());
        // SAFETY: the descriptor was just made and belongs to nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        rustix::net::sockopt::set_socket_timeout(
            &fd,
            rustix::net::sockopt::Timeout::Recv,
            Some(Duration::from_secs(5)),
        )
        .unwrap();
        Self(fd)
    }

    /// The next frame and its length.
    fn receive(&self) -> Vec<u8> {
        let mut buffer = vec![0; 2048];
        // SAFETY: pointer and length are those of the buffer.
        let length = unsafe {
            libc::recv(
                self.0.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                0,
            )
        };
        assert!(length >= 0, "no frame: {}", io::Error::last_os_error());
        buffer.truncate(length as usize);
        buffer
    }
}

async fn cable(lab: &Lab, far: &Namespace) -> (u32, Receiver) {
    lab.veth("near", "far", far).await;
    let near = lab.up("near").await;
    let receiver = far.run(async |lab| {
        lab.up("far").await;
        Receiver::open()
    });
    (near, receiver)
}

fn errno(result: (usize, Option<io::Error>)) -> (usize, Option<i32>) {
    (result.0, result.1.and_then(|error| error.raw_os_error()))
}

fn slices(frames: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
    frames.iter().map(Vec::as_slice)
}

#[test]
fn frames_arrive_in_their_order_however_many_fit_into_one_call() {
    let far = Namespace::new();
    in_namespace(async |lab| {
        let (nic, receiver) = cable(&lab, &far).await;
        let mut socket = PacketSocket::open(nic, 2).unwrap();
        let frames: Vec<_> = (0..5).map(|n| frame(n, 60)).collect();

        for count in 0..=5 {
            let result = socket.send_batch(slices(&frames[..count]));

            assert_eq!(errno(result), (count, None));
            for frame in &frames[..count] {
                assert_eq!(&receiver.receive(), frame);
            }
        }
        socket.send(&frames[3]).unwrap();
        assert_eq!(receiver.receive(), frames[3]);
    });
}

#[test]
fn sending_ends_at_the_frame_that_cannot_be_sent() {
    let far = Namespace::new();
    in_namespace(async |lab| {
        let (nic, receiver) = cable(&lab, &far).await;
        let mut socket = PacketSocket::open(nic, 4).unwrap();
        let frames = [frame(0, 60), frame(1, 3000), frame(2, 60)];

        let first = errno(socket.send_batch(slices(&frames)));
        let second = errno(socket.send_batch(slices(&frames[2..])));

        assert_eq!((first, second), ((1, Some(libc::EMSGSIZE)), (1, None)));
        assert_eq!(receiver.receive(), frames[0]);
        assert_eq!(receiver.receive(), frames[2]);
    });
}

#[test]
fn frames_that_cannot_leave_are_not_counted_as_sent() {
    let far = Namespace::new();
    in_namespace(async |lab| {
        let (nic, receiver) = cable(&lab, &far).await;
        let mut socket = PacketSocket::open(nic, 4).unwrap();
        let frames = [frame(0, 60), frame(1, 60)];

        far.run(async |lab| lab.down("far").await);
        let no_carrier = errno(socket.send_batch(slices(&frames)));
        lab.down("near").await;
        let down = errno(socket.send_batch(slices(&frames)));
        lab.up("near").await;
        far.run(async |lab| lab.up("far").await);
        let back = errno(socket.send_batch(slices(&frames)));
        let received = [receiver.receive(), receiver.receive()];
        lab.remove(nic).await;
        let gone = errno(socket.send_batch(slices(&frames)));

        assert_eq!(no_carrier, (0, Some(libc::ENOBUFS)));
        assert_eq!(down, (0, Some(libc::ENETDOWN)));
        assert_eq!(back, (2, None));
        assert_eq!(received, frames);
        assert_eq!(gone, (0, Some(libc::ENXIO)));
    });
}

#[test]
fn a_nic_that_is_not_there_cannot_be_opened() {
    in_namespace(async |_lab| {
        let error = PacketSocket::open(4242, 1).unwrap_err();

        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    });
}
