//! How much work the programs are for the verifier. It gives up at a million instructions; a change that makes ours grow by
//! half should be noticed long before.

use failover_ebpf::abi::program;

use crate::harness::bench;

/// Programs, and the instructions that the verifier may at most go through for them.
const BOUNDS: [(&str, u32); 2] = [(program::FAILOVER, 300_000), (program::PASS, 4)];

#[test]
fn the_verifier_is_done_soon() {
    bench(|bench| {
        for (name, bound) in BOUNDS {
            let info = bench.program.xdp(name).unwrap().info().unwrap();

            let count = info
                .verified_instruction_count()
                .expect("a kernel that counts (5.16)");

            eprintln!("{name}: {count} instructions verified, {bound} allowed");
            assert!(count <= bound, "{name}: {count} instructions verified");
        }
    });
}
