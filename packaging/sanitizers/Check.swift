// Shows packaging/sanitize that its tools find what they are there to find, and nothing else, with this Swift and on this system.
//
//   Check mutex    threads that meet at a mutex: right, no report
//   Check race     threads that write one variable without a lock: ThreadSanitizer must report it
//   Check leak     memory that nobody can reach: LeakSanitizer must report it
import Glibc
import Synchronization

final class Counter: @unchecked Sendable {
    private let mutex = Mutex(())
    private(set) var count = 0

    func addLocked() {
        mutex.withLock { _ in
            count += 1
            // Others now find it taken and go the slow way.
            if count.isMultiple(of: 64) { sched_yield() }
        }
    }

    func addUnlocked() { count += 1 }
}

func onFourThreads(_ body: @escaping @Sendable () -> Void) {
    final class Work {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    let threads = (0..<4).map { _ in
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { work in
                Unmanaged<Work>.fromOpaque(work!).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(Work(body)).toOpaque())
        return thread
    }
    for thread in threads { pthread_join(thread, nil) }
}

let counter = Counter()
switch CommandLine.arguments.dropFirst().first {
case "mutex": onFourThreads { for _ in 0..<20_000 { counter.addLocked() } }
case "race": onFourThreads { for _ in 0..<20_000 { counter.addUnlocked() } }
case "leak": for _ in 0..<100 { _ = Unmanaged.passRetained(Counter()) }
default: exit(2)
}
print(counter.count)
