//! The `restlake` program: its exit code, and a call into the library's terminal part.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    process::ExitCode,
};

use restlake::allocation;

/// The system's allocator, with a count of the allocated bytes of each thread.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "an allocator has no safe form; this one hands all calls to the system's, as they are")]
// SAFETY: every call goes to the system's allocator unchanged, and counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        allocation::add(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        allocation::add(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        allocation::subtract(layout.size());
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        allocation::add(size);
        allocation::subtract(layout.size());
        unsafe { System.realloc(block, layout, size) }
    }
}

fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fix_mmap_threshold();
    restlake::cli::main(std::env::args_os()).into()
}

/// Keeps glibc from holding on to pages that were freed.
///
/// From a certain size on glibc maps blocks one by one and gives them back to the system as soon as they are freed. By default
/// it raises that size, up to 32 MB, whenever such a block is freed; pages then come from arenas, of which every thread may have
/// one, and which keep what is freed in their midst. Pages of 18 MB under a `memory_limit` of 64 MB peaked at 246 MB, and
/// with a fixed size at 158 MB, at the same speed. jemalloc (203 MB) and mimalloc (268 MB) move blocks where glibc remaps them:
/// a body or an index that grows is there twice.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "there is no safe call; the environment variable for it is read before `main`")]
fn fix_mmap_threshold() {
    /// 128 KiB, which glibc begins with, takes 30 % more time: the buffers of ordinary batches are of that size.
    const BYTES: libc::c_int = 1 << 20;

    // SAFETY: it takes two integers, and no other thread exists yet.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, BYTES) };
}
