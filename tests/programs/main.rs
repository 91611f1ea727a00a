//! The program tier: the XDP program on single frames, through `BPF_PROG_TEST_RUN`. Needs root.
