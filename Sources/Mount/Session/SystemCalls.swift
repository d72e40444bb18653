import CFuse
import Glibc
import SystemPackage

/// The processors that this process may run on.
enum Processors {
    /// At least 1: sched_getaffinity(2), which containers' cpusets narrow.
    static var count: Int {
        // 8,192 processors: as many as Linux can be built for.
        var set = [UInt](repeating: 0, count: 128)
        guard sched_getaffinity(0, set.count * MemoryLayout<UInt>.size, &set) >= 0 else { return 1 }
        return max(set.reduce(0) { $0 + $1.nonzeroBitCount }, 1)
    }
}

extension Errno {
    /// The calling thread's `errno`.
    static var last: Errno { Errno(rawValue: Glibc.errno) }
}

/// An eventfd(2): wakes a thread that waits in poll(2) or read(2).
///
/// `signal` may be called from any thread. `close` only once nobody can call any other method.
final class WakeUp: Sendable {
    /// For poll(2): readable after `signal`.
    let descriptor: Int32

    /// - Throws: `EMFILE`, `ENFILE`, `ENOMEM`.
    init() throws(Errno) {
        descriptor = pail_eventfd()
        guard descriptor >= 0 else { throw .last }
    }

    /// Wakes the waiting thread, or the next one to wait.
    func signal() {
        var one: UInt64 = 1
        // Fails only where the counter is full, and then it is readable anyway.
        _ = Glibc.write(descriptor, &one, 8)
    }

    /// Waits for a signal and takes it, together with all others sent so far.
    func wait() {
        var count: UInt64 = 0
        while Glibc.read(descriptor, &count, 8) < 0 && Glibc.errno == EINTR {}
    }

    deinit { _ = Glibc.close(descriptor) }
}

/// The clock that the end of a mount is measured by.
enum MonotonicClock {
    /// Nanoseconds since some start: CLOCK_MONOTONIC.
    static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

extension Duration {
    /// In nanoseconds, cut off at ±146 years.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = min(max(seconds, -4_000_000_000), 4_000_000_000)
            .multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max : product + attoseconds / 1_000_000_000
    }
}
