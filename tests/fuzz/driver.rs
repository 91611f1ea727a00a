//! libFuzzer, as a library: the C++ side that keeps the corpus, mutates and watches coverage.

use std::{
    ffi::{CString, c_char, c_int},
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

/// What is done with one input.
pub(crate) trait Target {
    /// Tries it; a panic is a finding.
    fn one(&mut self, input: &[u8]);

    /// The end of the run.
    fn end(&self);
}

/// The target of this process; libFuzzer's callbacks carry no pointer of ours.
static TARGET: AtomicPtr<Box<dyn Target>> = AtomicPtr::new(std::ptr::null_mut());

/// Runs libFuzzer with these arguments; it ends the process.
pub(crate) fn run(target: Box<dyn Target>, arguments: &[String]) -> ! {
    TARGET.store(Box::into_raw(Box::new(target)), Ordering::SeqCst);

    // A finding ends the process by SIGABRT, upon which libFuzzer keeps the input.
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        say(panic);
        std::process::abort();
    }));
    // SAFETY: the function has no preconditions, and takes part in an ordinary end of the process.
    unsafe { libc::atexit(end) };

    let arguments: Vec<CString> = std::iter::once("failover-fuzz")
        .chain(arguments.iter().map(String::as_str))
        .map(|argument| CString::new(argument).expect("an argument without a zero"))
        .collect();
    let mut pointers: Vec<*mut c_char> = arguments
        .iter()
        .map(|argument| argument.as_ptr().cast_mut())
        .chain([std::ptr::null_mut()])
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
    let target = TARGET.load(Ordering::SeqCst);

    // SAFETY: set in `run`, never freed, and libFuzzer calls from one thread only.
    unsafe { (*target).one(input) };

    0
}

extern "C" fn end() {
    let target = TARGET.load(Ordering::SeqCst);

    // SAFETY: as in `one`; no input is being tried when the process ends.
    unsafe { (*target).end() };
}

/// libFuzzer's own mutations, and then ours: see [`crate::mutator`].
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
    // SAFETY: libFuzzer's own buffer and sizes.
    let size = unsafe { LLVMFuzzerMutate(data, size, max) };
    // SAFETY: the caller's promise.
    let input = unsafe { std::slice::from_raw_parts_mut(data, size) };

    crate::mutator::repair(input, seed);

    size
}
