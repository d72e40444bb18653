import Glibc

/// A thread for one piece of work that blocks for long, which Swift's own few threads must not do.
enum BlockingThread {
    private final class Work: Sendable {
        let body: @Sendable () -> Void

        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs `body` on a new thread and waits for its value without blocking.
    static func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            let work = Work { continuation.resume(returning: body()) }
            var thread = pthread_t()
            let code = pthread_create(
                &thread, nil,
                { pointer in
                    Unmanaged<Work>.fromOpaque(pointer!).takeRetainedValue().body()
                    return nil
                }, Unmanaged.passRetained(work).toOpaque())
            // Without threads at all a mount cannot be served, and nothing has been promised yet.
            guard code == 0 else { fatalError("pthread_create: \(String(cString: strerror(code)))") }
            pthread_detach(thread)
        }
    }
}
