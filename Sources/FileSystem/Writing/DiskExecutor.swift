import DequeModule

#if canImport(Glibc)
    import Glibc
#endif

/// Threads that may wait for the disk.
///
/// Swift's tasks share a pool with one thread a core, which must not wait: a disk that throttles its writers for a second
/// would hold up every request of the mount. What reads or writes the spill file runs here instead, by
/// `withTaskExecutorPreference(DiskExecutor.shared)`.
///
/// The threads start with the first job and stay: two of them, for a disk gains little from more writers.
final class DiskExecutor: TaskExecutor, @unchecked Sendable {
    /// The one of this process.
    static let shared = DiskExecutor(threads: 2)

    // Guarded by `mutex`.
    private var jobs = Deque<UnownedJob>()
    private var threadsToStart: Int
    private var idle = 0
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    private init(threads: Int) {
        threadsToStart = threads
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    /// Queues a job; starts a thread for it while there are fewer than there may be and none is idle.
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        pthread_mutex_lock(mutex)
        jobs.append(job)
        let starts = idle == 0 && threadsToStart > 0
        if starts { threadsToStart -= 1 }
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
        if starts { startThread() }
    }

    private func startThread() {
        var thread = pthread_t()
        // The executor lives as long as the process, and its threads with it.
        let status = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<DiskExecutor>.fromOpaque(argument!).takeUnretainedValue().work()
            }, Unmanaged.passUnretained(self).toOpaque())
        if status == 0 {
            pthread_detach(thread)
        } else {
            // No thread to be had now: better to wait for the disk here than never.
            pthread_mutex_lock(mutex)
            threadsToStart += 1
            let job = jobs.popFirst()
            pthread_mutex_unlock(mutex)
            job?.runSynchronously(on: asUnownedTaskExecutor())
        }
    }

    private func work() -> Never {
        while true {
            pthread_mutex_lock(mutex)
            idle += 1
            while jobs.isEmpty { pthread_cond_wait(condition, mutex) }
            idle -= 1
            let job = jobs.removeFirst()
            pthread_mutex_unlock(mutex)
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}
