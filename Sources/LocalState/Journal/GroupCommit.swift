/// The one writer of the journal's database: all changes that are queued at a time become one transaction, one fsync.
///
/// **Problem.** A durable transaction costs an fsync, some hundred microseconds to several milliseconds. Sixteen programs that
/// close files at once must not pay it sixteen times.
///
/// **Design.** While a transaction is being synced, further changes queue up; the next transaction takes them all. Each
/// change lies in a savepoint of its own, so that one that fails takes none of the others along. Changes are made in the
/// order in which they were queued. Only after the commit does anybody hear of success.
///
/// **Limits.** An error of the commit itself (a full disk) fails every change of that transaction.
final class GroupCommit: Sendable {
    typealias Change = @Sendable (SQLiteDatabase) throws(LocalStateError) -> Void

    private struct Job: Sendable {
        var change: Change
        var done: @Sendable (Result<Void, LocalStateError>) -> Void
    }

    /// The connection, which only the writer thread touches once it runs.
    private struct Connection: @unchecked Sendable {
        let database: SQLiteDatabase
    }

    /// More would keep those who came first waiting for the bytes of those who came last.
    private static let mostJobs = 512

    private let connection: Connection
    private let threads: WorkerThreads<Job>
    private let path: String

    init(_ database: sending SQLiteDatabase) throws(LocalStateError) {
        path = database.path
        let connection = Connection(database: database)
        self.connection = connection
        threads = WorkerThreads(batch: Self.mostJobs) { Self.commit($0, connection.database) }
        try threads.start(1)
    }

    /// Makes a change, durable once this returns.
    func run(_ change: @escaping Change) async throws(LocalStateError) {
        let result: Result<Void, LocalStateError> = await withCheckedContinuation { continuation in
            enqueue(change) { continuation.resume(returning: $0) }
        }
        try result.get()
    }

    /// Queues a change; `done` is called on the writer thread once it is durable, or has failed. A relaxed one nobody waits for:
    /// it goes along with the next transaction, or has its own a little later.
    func enqueue(
        _ change: @escaping Change, isRelaxed: Bool = false,
        done: @escaping @Sendable (Result<Void, LocalStateError>) -> Void
    ) {
        if !threads.enqueue(Job(change: change, done: done), isRelaxed: isRelaxed) {
            done(.failure(LocalStateError(.closed, path: path)))
        }
    }

    /// Ends once all that is queued is durable, or with `isAbrupt` once the transaction under way is: what is queued behind it
    /// fails with `closed` then.
    func stop(isAbrupt: Bool) {
        for job in threads.stop(finishing: !isAbrupt) { job.done(.failure(LocalStateError(.closed, path: path))) }
        connection.database.close()
    }

    private static func commit(_ jobs: [Job], _ database: SQLiteDatabase) {
        var results: [Result<Void, LocalStateError>] = []
        do throws(LocalStateError) {
            try database.execute("BEGIN IMMEDIATE")
            for job in jobs {
                results.append(try apply(job.change, database))
            }
            try database.execute("COMMIT")
        } catch {
            if database.isInTransaction { try? database.execute("ROLLBACK") }
            results = jobs.map { _ in .failure(error) }
        }
        for (job, result) in zip(jobs, results) { job.done(result) }
    }

    /// Throws only where the transaction as a whole is lost.
    private static func apply(_ change: Change, _ database: SQLiteDatabase) throws(LocalStateError)
        -> Result<Void, LocalStateError>
    {
        try database.run("SAVEPOINT job")
        do throws(LocalStateError) {
            try change(database)
            try database.run("RELEASE job")
            return .success(())
        } catch {
            guard database.isInTransaction else { throw error }
            try database.run("ROLLBACK TO job")
            try database.run("RELEASE job")
            return .failure(error)
        }
    }
}
