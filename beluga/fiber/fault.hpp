#pragma once
/// Readable last words when a fiber runs out of stack.
///
/// The library installs no signal handler by itself. A program that wants "fiber 'search' overflowed its
/// stack of 256 KiB" on stderr instead of a bare segmentation fault calls `install_fault_reporter()` early in
/// main().

namespace beluga {

/// Installs a handler for SIGSEGV and SIGBUS that recognises the guard below a fiber's stack, writes one line
/// and then passes every fault on to the handler that was there before (or to the default action, which ends
/// the process). Runs on an alternate stack: the workers have one; a plain thread needs its own. Calling it
/// again does nothing. Thread-safety: any thread.
void install_fault_reporter();

}  // namespace beluga
