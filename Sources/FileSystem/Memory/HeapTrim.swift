internal import CLinux

/// Says when the allocator should be asked to give its free memory back to the system.
///
/// **Problem.** Inodes and names are small blocks of the heap. When the kernel forgets a hundred thousand of them the heap has holes,
/// and the process stays as large as it was.
///
/// **Design.** A pure value that is told how much is held. Once that has fallen to half of its peak, and by ``least``, it is time; the peak
/// then counts anew. So a trim, which walks through the heap, is paid for by what was freed since the last one.
struct HeapTrim: Sendable, Equatable {
    /// Less than so much is not worth it, in bytes: 16 MiB.
    static let least = 16 << 20

    private var peak = 0

    /// `bytes` are held now. Whether it is time to trim.
    mutating func note(_ bytes: Int) -> Bool {
        peak = max(peak, bytes)
        guard peak - bytes >= max(Self.least, peak / 2) else { return false }
        peak = bytes
        return true
    }

    /// Gives the heap's free pages back, see malloc_trim(3). Takes milliseconds and the allocator's locks.
    static func perform() { pail_trim_heap() }
}
