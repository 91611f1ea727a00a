//! libFuzzer, as a library: the C++ side that keeps the corpus, mutates and watches coverage.

use std::{
    ffi::{CString, c_char, c_int},
    ops::ControlFlow,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

// The crate brings libFuzzer itself along; of its Rust side nothing is needed.
use libfuzzer_sys as _;

unsafe extern "C" {
    fn LLVMFuzzerRunDriver(
        argc: *mut c_int,
        argv: *mut *mut *mut c_char,
        one: extern "C" fn(*const u8, usize) -> c_int,
    ) -> c_int;

    fn LLVMFuzzerMutate(data: *mut u8, size: usize, max: usize) -> usize;
}

/// What is done with inputs.
pub(crate) trait Target {
    /// Tries one. `Break`: that was the last, and this is the process's exit code.
    fn one(&mut self, input: &[u8]) -> ControlFlow<u8>;

    /// The end of the run.
    fn end(self: Box<Self>);

    /// Changes an input, by a seed.
    fn mutate(&mut self, input: &mut Vec<u8>, seed: u32);

    /// Makes an input that libFuzzer has changed meant.
    fn repair(&mut self, input: &mut [u8], seed: u32);
}

/// The target of this process; libFuzzer's callbacks carry no pointer of ours.
static TARGET: AtomicPtr<Box<dyn Target>> = AtomicPtr::new(ptr::null_mut());

/// Runs libFuzzer with these arguments; it ends the process.
pub(crate) fn run(target: Box<dyn Target>, arguments: &[String]) -> ! {
    TARGET.store(Box::into_raw(Box::new(target)), Ordering::SeqCst);

    // SAFETY: the function has no preconditions, and takes part in an ordinary end of the process.
    unsafe { libc::atexit(end) };

    let arguments: Vec<CString> = std::iter::once("failover-fuzz")
        .chain(arguments.iter().map(String::as_str))
        .map(|argument| CString::new(argument).expect("an argument without a zero"))
        .collect();
    let mut pointers: Vec<*mut c_char> = arguments
        .iter()
        .map(|argument| argument.as_ptr().cast_mut())
        .chain([ptr::null_mut()])
        .collect();
    let mut count = c_int::try_from(arguments.len()).expect("a few arguments");
    let mut vector = pointers.as_mut_ptr();
    // SAFETY: as `main` gets them: so many strings that end with a zero, then a null pointer; all outlive the call.
    let code = unsafe { LLVMFuzzerRunDriver(&raw mut count, &raw mut vector, one) };

    std::process::exit(code)
}

extern "C" fn one(data: *const u8, size: usize) -> c_int {
    let input = if size == 0 {
        &[]
    } else {
        // SAFETY: libFuzzer's input, which it keeps as it is until this returns.
        unsafe { std::slice::from_raw_parts(data, size) }
    };

    if let ControlFlow::Break(code) = target().one(input) {
        end();
        // At once: libFuzzer takes an ordinary end inside of this function for a finding of its own.
        // SAFETY: the function has no preconditions.
        unsafe { libc::_exit(code.into()) }
    }

    0
}

/// The target, for as long as a callback runs.
fn target() -> &'static mut dyn Target {
    // SAFETY: set in `run` before libFuzzer is, and taken away at the end of the process only. libFuzzer calls from one thread,
    // one function after the other.
    unsafe { (*TARGET.load(Ordering::SeqCst)).as_mut() }
}

extern "C" fn end() {
    let target = TARGET.swap(ptr::null_mut(), Ordering::SeqCst);

    if !target.is_null() {
        // SAFETY: from `Box::into_raw` in `run`, and nobody else has it any more.
        unsafe { Box::from_raw(target) }.end();
    }
}

/// Half of the time libFuzzer's own mutations, made meant, and half of the time ours.
///
/// # Safety
///
/// libFuzzer's: `data` is valid for `max` octets, of which `size` are the input.
#[unsafe(no_mangle)]
unsafe extern "C" fn LLVMFuzzerCustomMutator(
    data: *mut u8,
    size: usize,
    max: usize,
    seed: u32,
) -> usize {
    if seed.is_multiple_of(2) {
        // SAFETY: libFuzzer's own buffer and sizes.
        let size = unsafe { LLVMFuzzerMutate(data, size, max) };
        // SAFETY: the caller's promise.
        let input = unsafe { std::slice::from_raw_parts_mut(data, size) };

        target().repair(input, seed / 2);

        return size;
    }

    // SAFETY: the caller's promise.
    let mut input = unsafe { std::slice::from_raw_parts(data, size) }.to_vec();

    target().mutate(&mut input, seed / 2);
    input.truncate(max);

    // SAFETY: the caller's promise, and the input is no longer than that.
    unsafe { std::slice::from_raw_parts_mut(data, input.len()) }.copy_from_slice(&input);

    input.len()
}
