import DequeModule

#if canImport(Glibc)
    import Glibc
#endif

/// Threads that may wait for the disk, and a queue of work for them.
///
/// **Problem.** Swift's tasks share a pool with one thread a core, which must not wait: an fsync of a busy disk takes a second
/// now and then. And what many callers want to be made durable should cost them one fsync together.
///
/// **Design.** Each thread takes what is queued, one item or all at once (group commit), and hands it to the handler without
/// any lock. What is queued as relaxed waits a moment for others to come along with. ``stop()`` lets a handler that runs come to its end, joins the threads and gives back what was not begun.
final class WorkerThreads<Item: Sendable>: @unchecked Sendable {
    // Guarded by `mutex`.
    private var items = Deque<Item>()
    private var hasUrgent = false
    private var relaxedDeadline: timespec?
    private var isStopped = false
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    private let batch: Int
    private let handler: @Sendable ([Item]) -> Void
    private var threads: [pthread_t] = []

    /// Work for threads that ``start(_:)`` makes, each of which takes up to `batch` items at a time.
    init(batch: Int = 1, handler: @escaping @Sendable ([Item]) -> Void) {
        self.batch = batch
        self.handler = handler
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    /// Starts `count` threads; to be called once.
    /// - Throws: `io` where the system has no thread left.
    func start(_ count: Int) throws(LocalStateError) {
        let status = launch(count)
        if status == 0 { return }
        _ = stop()
        throw .system(status, "", "pthread_create")
    }

    private func launch(_ count: Int) -> Int32 {
        for _ in 0..<count {
            let (thread, status) = ThreadBody.launch { [self] in work() }
            if status != 0 { return status }
            threads.append(thread)
        }
        return 0
    }

    deinit {
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(condition)
        mutex.deallocate()
        condition.deallocate()
    }

    /// How long a relaxed item waits for others, in nanoseconds.
    private static var relaxedWait: Int { 100_000_000 }

    /// Queues an item; false once the threads are stopped.
    func enqueue(_ item: Item, isRelaxed: Bool = false) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard !isStopped else { return false }
        items.append(item)
        if !isRelaxed {
            hasUrgent = true
        } else if relaxedDeadline == nil {
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            let nanoseconds = now.tv_nsec + Self.relaxedWait
            relaxedDeadline = timespec(
                tv_sec: now.tv_sec + nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
        }
        pthread_cond_signal(condition)
        return true
    }

    /// Ends the threads once what they are at is done, or with `finishing` all that is queued; waits for them. Returns what was
    /// queued and not begun.
    func stop(finishing: Bool = false) -> [Item] {
        pthread_mutex_lock(mutex)
        let isFirst = !isStopped
        isStopped = true
        let left = finishing ? [] : Array(items)
        if !finishing { items.removeAll() }
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
        if isFirst {
            for thread in threads where pthread_equal(thread, pthread_self()) == 0 { pthread_join(thread, nil) }
        }
        return left
    }

    private var isDone: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return isStopped && items.isEmpty
    }

    private func work() {
        while true {
            pthread_mutex_lock(mutex)
            while !isStopped, !hasUrgent {
                guard var deadline = relaxedDeadline else {
                    pthread_cond_wait(condition, mutex)
                    continue
                }
                if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { break }
            }
            let taken = Array(items.prefix(batch))
            items.removeFirst(taken.count)
            if items.isEmpty {
                hasUrgent = false
                relaxedDeadline = nil
            }
            pthread_mutex_unlock(mutex)
            if !taken.isEmpty { handler(taken) } else if isDone { return }
        }
    }
}

/// What a thread does: not generic, for the closure that pthread_create(3) takes can capture nothing.
private final class ThreadBody: Sendable {
    private let run: @Sendable () -> Void

    private init(_ run: @escaping @Sendable () -> Void) { self.run = run }

    static func launch(_ run: @escaping @Sendable () -> Void) -> (pthread_t, Int32) {
        var thread = pthread_t()
        let body = Unmanaged.passRetained(ThreadBody(run))
        let status = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<ThreadBody>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, body.toOpaque())
        if status != 0 { body.release() }
        return (thread, status)
    }
}
