import Glibc
import Synchronization

/// Calls of the system that wait, each in a thread of its own: Swift's own threads are as few as processors and must never wait.
enum BlockingThread {
    private final class Job: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Starts a thread that ends with `body`. Where the system has no room for one, `body` runs here.
    static func start(_ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let job = Unmanaged.passRetained(Job(body))
        let failure = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Job>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            }, job.toOpaque())
        guard failure != 0 else {
            pthread_detach(thread)
            return
        }
        job.takeRetainedValue().body()
    }

    /// The value of `body`.
    static func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { waiter in start { waiter.resume(returning: body()) } }
    }

    /// The value of `body`, or nil after `patience`: the thread waits on then.
    static func run<Value: Sendable>(
        within patience: Duration, _ body: @escaping @Sendable () -> Value
    ) async -> Value? {
        await withCheckedContinuation { waiter in
            let answer = FirstAnswer(waiter)
            let alarm = Task {
                guard (try? await Task.sleep(for: patience)) != nil else { return }
                answer.give(nil)
            }
            start {
                answer.give(body())
                alarm.cancel()
            }
        }
    }
}

/// A continuation that several may resume: the first counts.
final class FirstAnswer<Value: Sendable>: Sendable {
    private let waiter: Mutex<CheckedContinuation<Value, Never>?>

    /// - Parameter waiter: resumed once.
    init(_ waiter: CheckedContinuation<Value, Never>) { self.waiter = Mutex(waiter) }

    /// Answers, where nobody has yet.
    func give(_ value: Value) { waiter.withLock { $0.take() }?.resume(returning: value) }
}
