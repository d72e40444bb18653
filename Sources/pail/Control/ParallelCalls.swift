import Glibc
import Synchronization

/// Calls that wait, each in a thread of its own, for commands that ask several processes.
enum ParallelCalls {
    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private final class Results<Value: Sendable>: Sendable {
        let values = Mutex<[Int: Value]>([:])
    }

    /// The results in the elements' order. Returns once all are there.
    static func map<Element: Sendable, Result: Sendable>(
        _ elements: [Element], _ body: @escaping @Sendable (Element) -> Result
    ) -> [Result] {
        let results = Results<Result>()
        var threads: [pthread_t] = []
        for (index, element) in elements.enumerated() {
            let work = Unmanaged.passRetained(
                Work {
                    let result = body(element)
                    results.values.withLock { $0[index] = result }
                })
            var thread = pthread_t()
            let failure = pthread_create(
                &thread, nil,
                { argument in
                    Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().body()
                    return nil
                }, work.toOpaque())
            // Without room for a thread: here, one after the other.
            if failure == 0 { threads.append(thread) } else { work.takeRetainedValue().body() }
        }
        for thread in threads { pthread_join(thread, nil) }
        return results.values.withLock { results in elements.indices.compactMap { results[$0] } }
    }
}
