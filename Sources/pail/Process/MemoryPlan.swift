internal import CLinux

/// What the layers have of `--memory`, beside the budget of the file system.
///
/// **Problem.** The budget counts content and metadata. Buffers of libcurl and of libfuse, and what the allocator keeps, nobody counts; with
/// a limit of 64 MiB they were 30 MiB more.
///
/// **Design.** A pure value: what is not counted is sized by the limit, so that it stays a small share of it. The figures at the default
/// of 256 MiB are those at which more brought no more speed.
struct MemoryPlan: Sendable, Equatable {
    /// From this limit on speed counts for more than what the allocator keeps, in bytes.
    private static let ample = 256 << 20

    /// The limit, `--memory`, in bytes.
    let limit: Int

    /// What the transfers' large buffers may take in all: an eighth.
    var transferBuffers: Int { min(limit / 8, 128 << 20) }

    /// The largest request of the kernel, in bytes: each thread that takes requests has a buffer of that size, and each write that waits
    /// for memory holds one. 128 KiB to 1 MiB, whole pages.
    var largestRequest: Int { min(1 << 20, max(128 << 10, limit / 256)) & ~4095 }

    /// From which size on the allocator maps a block on its own and gives it back at once; nil where it may choose by itself. By itself it
    /// takes buffers of up to 32 MiB from its heaps once one was freed, and those heaps never shrink.
    var mappingThreshold: Int? { limit < Self.ample ? 128 << 10 : nil }

    /// Sets the allocator of this process up, see mallopt(3). Once, at the start of a mount.
    func applyToAllocator() {
        guard let mappingThreshold else { return }
        pail_map_blocks_from(Int32(mappingThreshold))
    }
}
